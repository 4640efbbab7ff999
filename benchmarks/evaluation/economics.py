"""What final labels cost, beside people alone and the LLM alone: `python -m benchmarks.evaluation.economics`.

People decide half of a data set, and the machine learns from them once. Larger streams are drawn with
replacement from the other half, which it has not seen, and go through a policy: `threshold` accepts from the
confidence up that its own calibration says is enough for the target; `promise` accepts what blind audits
certify, and starts without any. The data set's own size is that of the loop (`loop.py`), where everything is
learned on the way.

Cost: people's decisions, and the tokens of one LLM call an item at a model's list price. The votes are
SmolLM2's; only the price is that of the larger models, whose votes would be better.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final

import numpy as np
from labelmill.prices import packaged_prices
from rich.console import Console
from rich.progress import track

from benchmarks.evaluation import loop
from benchmarks.evaluation.data import NAMES, DataSet, load
from benchmarks.evaluation.loop import AUDIT_RATE, Stream, target_of
from benchmarks.evaluation.policies import Calibrated, Decided, Policy, Promised, Scores

SIZES: Final = (20_000, 200_000, 1_000_000)
MODELS: Final = {"small": "gpt-4.1-nano", "middle": "gpt-4.1-mini", "large": "gpt-4.1"}
HUMAN_USD: Final = (0.10, 1.00)
SEEDS: Final = 5
_BATCH: Final = 500
"""Items between two looks at the newest decisions."""
_GRID: Final = np.linspace(0.0, 1.0, 201)


@dataclass(frozen=True)
class Usage:
    """What a stream took: items, decisions of people, LLM tokens; and how many final labels are right."""

    items: float
    decisions: float
    input_tokens: float
    output_tokens: float
    accuracy: float


def streams(data: DataSet, seed: int) -> dict[tuple[str, int], Usage]:
    """Return what each policy takes for a stream of each size, what was paid for learning included."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(data))
    half = len(data) // 2
    known, unseen = Stream(data.rows(order[:half]), seed), Stream(data.rows(order[half:]), seed)
    learning = _usage(known.data, half, known.run(Policy()).decisions, data.human_accuracy)
    known.train(Policy())
    unseen.machine = known.machine
    scores = unseen.scores(np.arange(len(unseen.data)))
    held_out = np.zeros(len(unseen.data), dtype=bool)
    found = {}
    for size in SIZES:
        policies: dict[str, Policy] = {
            "threshold": Calibrated(threshold_for(data, scores), AUDIT_RATE),
            "promise": Promised(loop.promise_of(data), held_out),
        }
        for name, policy in policies.items():
            found[name, size] = _sum(learning, _resampled(unseen, scores, policy, size - half))
    return found


def threshold_for(data: DataSet, scores: Scores) -> float:
    """Return the lowest confidence from which to accept such that, as calibrated, final labels reach the
    target; people are as right as they are. No truth is looked at."""
    for threshold in _GRID.tolist():
        people = scores.confidence < threshold
        right = np.where(people, data.human_accuracy, scores.confidence)
        if right.mean() >= target_of(data):
            return float(threshold)
    return 1.0


def _resampled(unseen: Stream, scores: Scores, policy: Policy, size: int) -> Usage:
    random = np.random.default_rng(size)
    decisions = right = 0
    for begin in range(0, size, _BATCH):
        rows = random.integers(0, len(unseen.data), min(_BATCH, size - begin))
        some = Scores(scores.labels[rows], scores.confidence[rows], scores.raw[rows], scores.is_calibrated)
        routes = policy.route(some, random.random(len(rows)))
        policy.decided(Decided(rows, some, routes, some.labels != unseen.answers[rows]))
        final = np.where(routes.people, unseen.answers[rows], some.labels)
        decisions += int(routes.people.sum())
        right += int((final == unseen.data.truth[rows]).sum())
    return _usage(unseen.data, size, decisions, right / size)


def _usage(data: DataSet, items: int, decisions: float, accuracy: float) -> Usage:
    input_tokens, output_tokens = (float(mean) * items for mean in data.tokens["logprobs"].mean(axis=0))
    return Usage(items, decisions, input_tokens, output_tokens, accuracy)


def _sum(first: Usage, second: Usage) -> Usage:
    items = first.items + second.items
    return Usage(
        items=items,
        decisions=first.decisions + second.decisions,
        input_tokens=first.input_tokens + second.input_tokens,
        output_tokens=first.output_tokens + second.output_tokens,
        accuracy=(first.accuracy * first.items + second.accuracy * second.items) / items,
    )


def _mean(usages: Sequence[Usage]) -> Usage:
    return Usage(*(float(value) for value in np.mean([astuple(usage) for usage in usages], axis=0)))


def people_needed(data: DataSet, items: float) -> float:
    """Return the decisions with which people alone reach the target: they decide a part, and guess the rest.

    Guessing is right by chance, so that people alone are not made dearer than they need to be.
    """
    chance, human = 1.0 / len(data.labels), data.human_accuracy
    return items * min(1.0, (target_of(data) - chance) / (human - chance))


def row(data: DataSet, policy: str, usage: Usage, model: str, human_usd: float) -> dict[str, Any]:
    """Return a row of the table."""
    price = packaged_prices().of(MODELS[model])
    assert price is not None, "the price file names these models"
    llm = (usage.input_tokens * price.input + usage.output_tokens * price.output) / 1e6
    people_alone = people_needed(data, usage.items) * human_usd
    ours = usage.decisions * human_usd + llm
    return {
        "policy": policy,
        "items": round(usage.items),
        "model": model,
        "human_usd": human_usd,
        "accuracy": round(usage.accuracy, 4),
        "decisions": round(usage.decisions),
        "ours_usd": round(ours, 2),
        "llm_alone_usd": round(llm, 2),
        "people_alone_usd": round(people_alone, 2),
        "times_cheaper": round(people_alone / ours, 2),
    }


def evaluate(name: str, loop_found: dict[str, Any], seeds: int = SEEDS) -> dict[str, Any]:
    """Return the table of a data set; `loop_found` is what `loop.evaluate` said of it."""
    data = load(name)
    jobs = track(range(seeds), description=f"economics {name}", console=Console(stderr=True))
    runs = [streams(data, seed) for seed in jobs]
    usages = {key: _mean([run[key] for run in runs]) for key in runs[0]}
    own = _usage(data, len(data), loop_found["decisions_needed"]["ours"], target_of(data))
    llm = data.votes["logprobs"]
    return {
        "target": round(target_of(data), 4),
        "people_accuracy": round(data.human_accuracy, 4),
        "llm_accuracy": round(float((llm.argmax(axis=1) == data.truth).mean()), 4),
        "seeds": seeds,
        "rows": [
            row(data, policy, usage, model, human_usd)
            for human_usd in HUMAN_USD
            for model in MODELS
            for policy, usage in [("threshold", own), *((policy, usages[policy, n]) for policy, n in usages)]
        ],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    found = {
        name: evaluate(name, loop.evaluate(name, options.seeds), options.seeds) for name in options.names
    }
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
