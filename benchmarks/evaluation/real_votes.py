"""Make votes/NAME_real.npz for simulated streams: `python -m benchmarks.evaluation.real_votes`.

`confidence` (float32, items): that of the mean of the student and the LLM, the student fitted without the
item (5 folds, each on one decision an item). `correct` (bool, items): whether the pooled label is true.
"""

import sys

import numpy as np

from benchmarks.evaluation.data import FOLDER, NAMES, DataSet, Floats, load
from benchmarks.evaluation.learning import cross_fitted

SEED = 0


def pooled(data: DataSet) -> Floats:
    """Return the mean of both voters, shape (items, labels); the student's alone where the LLM gave none."""
    decided = data.decisions(np.random.default_rng(SEED))
    students = cross_fitted(data.vectors, decided, len(data.labels))
    llm = data.votes["logprobs"]
    shares: Floats = np.where(np.isnan(llm), students, (students + llm) / 2)
    return shares


def main() -> None:
    for name in sys.argv[1:] or NAMES:
        data = load(name)
        shares = pooled(data)
        correct = shares.argmax(axis=1) == data.truth
        np.savez_compressed(
            FOLDER / f"{name}_real.npz", confidence=shares.max(axis=1).astype(np.float32), correct=correct
        )
        print(f"{name}: {len(data)} items, {correct.mean():.3f} correct")


if __name__ == "__main__":
    main()
