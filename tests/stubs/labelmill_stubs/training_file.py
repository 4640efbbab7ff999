"""The checks that a chat fine-tuning file must pass, line by line."""

import json
from typing import Any

ROLES = frozenset({"system", "user", "assistant", "developer", "tool", "function"})
MIN_EXAMPLES = 10


def problems(content: bytes, limit: int = 10) -> list[str]:
    """What is wrong with a JSONL file of chat examples, at most `limit` sentences, each naming its line."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return [f"The file is not UTF-8 (byte {error.start})."]
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        problem = _line_problem(line)
        if problem:
            found.append(f"Line {number}: {problem}")
        if len(found) == limit:
            break
    return found if text.strip() else ["The file is empty."]


def count(content: bytes) -> int:
    """Number of examples in a file that has no problems."""
    return len(content.decode().splitlines())


def characters(content: bytes) -> int:
    """Characters of all messages in a file that has no problems: a fourth of them are counted as tokens."""
    examples = (json.loads(line) for line in content.decode().splitlines())
    return sum(len(message["content"]) for example in examples for message in example["messages"])


def _line_problem(line: str) -> str | None:
    if not line.strip():
        return "blank line."
    try:
        example = json.loads(line)
    except json.JSONDecodeError as error:
        return f"not JSON ({error.msg})."
    if (
        not isinstance(example, dict)
        or not isinstance(example.get("messages"), list)
        or not example["messages"]
    ):
        return "an example must be an object with a list of messages."
    for message in example["messages"]:
        problem = _message_problem(message)
        if problem:
            return problem
    if example["messages"][-1]["role"] != "assistant":
        return "the last message must be from the assistant."
    return None


def _message_problem(message: Any) -> str | None:
    if not isinstance(message, dict):
        return "a message must be an object."
    if message.get("role") not in ROLES:
        return f"unknown role {message.get('role')!r}."
    if not isinstance(message.get("content"), str) or not message["content"]:
        return "a message needs content that is text."
    return None
