"""The one exception a user of the local stack needs to catch."""


class StackError(RuntimeError):
    """Something the person at the keyboard can put right; the message is one line that says how."""
