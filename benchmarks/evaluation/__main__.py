"""Everything at once, on all cores: `make eval`. Writes results/evaluation.json, the figures and the tables.

The parts can be run alone: `python -m benchmarks.evaluation.confidence`, `.loop`, `.economics`, `.promise`.
What needs the LLM itself is measured apart (`.injection`, `.memorised`) and read from its own results.
"""

import json
import sys

from benchmarks.evaluation import report, running, tables


def main() -> int:
    report.RESULT.write_text(json.dumps(running.summary(running.run_all()), indent=1) + "\n")
    document = report.read()
    report.write(document)
    print(tables.summary(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
