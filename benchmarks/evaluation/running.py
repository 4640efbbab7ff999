"""Runs all parts of the evaluation at once, on all cores, and puts together what they found."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from typing import Any

from benchmarks.evaluation import confidence, economics, loop, promise
from benchmarks.evaluation.data import NAMES
from benchmarks.evaluation.streams import SIMULATED, real
from benchmarks.results import commit, today

STREAMS = 100
"""Of each kind."""

Job = tuple[str, Callable[..., Any], tuple[Any, ...]]


def hold_promises() -> dict[str, Any]:
    """Return the figures of the promise, with the error and the share accepted of every stream."""
    outcomes = promise.simulate({**SIMULATED, **real(promise.VOTES)}, STREAMS)
    each: dict[str, dict[str, list[float]]] = {}
    for outcome in outcomes:
        kind = each.setdefault(outcome.kind, {"error": [], "accepted": []})
        kind["error"].append(round(outcome.error, 5))
        kind["accepted"].append(round(outcome.accepted, 5))
    return {**promise.figures(outcomes), "each": each}


def run_loop(name: str) -> dict[str, Any]:
    """Return the courses of the loop, and what labels cost, which builds on them."""
    found = loop.evaluate(name)
    return {"loop": found, "economics": economics.evaluate(name, found)}


def jobs() -> list[Job]:
    """Return what there is to do, the longest first: a name, a function and its arguments."""
    loops: list[Job] = [(f"loop {name}", run_loop, (name,)) for name in NAMES]
    confidences: list[Job] = [(f"confidence {name}", confidence.evaluate, (name,)) for name in NAMES]
    return [*loops, ("promise", hold_promises, ()), *confidences]


def run_all() -> dict[str, Any]:
    """Return what each job found, by its name; they share as many processes as there are cores."""
    os.environ["OMP_NUM_THREADS"] = "1"  # the processes have the cores
    context = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(os.cpu_count(), context, initializer=_quiet) as pool:
        begun = time.perf_counter()
        running: dict[Future[Any], str] = {
            pool.submit(function, *arguments): name for name, function, arguments in jobs()
        }
        for done in as_completed(running):
            found[running[done]] = done.result()
            seconds = time.perf_counter() - begun
            line = f"[eval] {seconds:5.0f} s: {running[done]} done, {len(found)} of {len(running)}"
            print(line, file=sys.stderr, flush=True)
    return found


def _quiet() -> None:
    """Keep the progress bars of several processes off one terminal."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Return the document that is kept: the figures in short, and all that is behind them."""
    confidences = {name: found[f"confidence {name}"] for name in NAMES}
    loops = {name: found[f"loop {name}"] for name in NAMES}
    own = {name: confidences[name]["sources"][confidence.POOLED] for name in NAMES}
    return {
        "commit": commit(),
        "date": today(),
        "promise": found["promise"],
        "calibration": {name: own[name]["people"]["after"]["ece"] for name in NAMES},
        "saving": {name: loops[name]["loop"]["decisions_needed"]["saving"] for name in NAMES},
        "confidence": confidences,
        "loop": {name: each["loop"] for name, each in loops.items()},
        "economics": {name: each["economics"] for name, each in loops.items()},
    }
