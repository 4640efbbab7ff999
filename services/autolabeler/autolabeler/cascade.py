"""Cheap voters first: when the student's opinion is enough. Pure."""

from labelmill.kinds import Opinion


def is_enough(student: Opinion, sure_at: float, *, has_llm: bool) -> bool:
    """Return whether an item needs no LLM: the student is sure, or there is nobody else to ask."""
    return not has_llm or student.confidence >= sure_at
