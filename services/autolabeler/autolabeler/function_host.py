"""Runs one Python labeling function: `python -m autolabeler.function_host FILE NAME SECONDS`.

A process, because it can be ended: a thread that loops for ever, or is stuck in C code with the interpreter's
lock, would hold up the whole service. It ends itself: before each item it sets an alarm, whose default action
nothing in Python can delay.

A line of JSON comes in for each batch, `[[content, metadata], ...]`, and one goes out for each item:
`{"label": ...}` or `{"error": "what the function raised"}`; the first line out tells whether the function was
found. What the function prints goes to standard error.
"""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

_MAX_DETAIL_CHARS = 300
_LOAD_SECONDS = 30.0

Function = Callable[[str, dict[str, str]], Any]

_decoder = msgspec.json.Decoder(list[tuple[str, dict[str, str]]])


def load(file: str, name: str) -> Function:
    """Return the function `name` in a source file; raises whatever its import raises, or TypeError."""
    spec = importlib.util.spec_from_file_location("labeling_functions", file)
    if spec is None or spec.loader is None:
        raise TypeError(f"{file} is no Python source file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(file))  # noqa: PTH120 (a function may import its neighbours)
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise TypeError(f"{file} has no function {name}")
    found: Function = function
    return found


def answer(function: Function, content: str, metadata: dict[str, str]) -> dict[str, Any]:
    """Return what is to be said about one item."""
    try:
        label = function(content, metadata)
    except Exception as error:
        return _failure(error)
    if label is None or isinstance(label, str):
        return {"label": label}
    return {"error": f"it returned a {type(label).__name__}, neither a label nor None"}


def serve(function: Function, lines: BinaryIO, out: BinaryIO, seconds: float) -> None:
    """Answer until there are no more lines."""
    for line in lines:
        for content, metadata in _decoder.decode(line):
            signal.setitimer(signal.ITIMER_REAL, seconds)
            said = answer(function, content, metadata)
            signal.setitimer(signal.ITIMER_REAL, 0)
            _say(out, said)


def main(file: str, name: str, seconds: str) -> None:
    """Load the function and serve."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, _LOAD_SECONDS)
    try:
        function = load(file, name)
    except BaseException as error:
        _say(out, _failure(error))
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    _say(out, {})
    serve(function, sys.stdin.buffer, out, float(seconds))


def _say(out: BinaryIO, said: dict[str, Any]) -> None:
    out.write(msgspec.json.encode(said) + b"\n")
    # At once: the next item may be this process's last.
    out.flush()


def _failure(error: BaseException) -> dict[str, str]:
    return {"error": f"{type(error).__name__}: {error}"[:_MAX_DETAIL_CHARS]}


if __name__ == "__main__":
    main(*sys.argv[1:])
