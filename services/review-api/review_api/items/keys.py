"""Ranges of item ids in the order of their bytes. Pure."""

_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def end_of_prefix(prefix: str) -> str | None:
    """Return the least text that is greater than all that begin with `prefix`; None if there is none.

    UTF-8 keeps the order of code points, which COLLATE "C" compares. Surrogates are no characters.
    """
    for place in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[place]) + 1
        if code in _SURROGATES:
            code = _SURROGATES.stop
        if code <= _LAST:
            return prefix[:place] + chr(code)
    return None
