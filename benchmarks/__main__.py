"""Run the benchmarks named on the command line, or all."""

import asyncio
import importlib
import sys
import tempfile
from pathlib import Path

from benchmarks.results import Table, keep

NAMES = ("ingest", "pipeline", "llm_calls", "scaling", "memory", "promise", "exactly_n", "review")


def main() -> int:
    names = sys.argv[1:] or list(NAMES)
    unknown = set(names) - set(NAMES)
    if unknown:
        print(
            f"unknown benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}", file=sys.stderr
        )
        return 2
    rows = []
    for name in names:
        print(f"[bench] {name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"labelmill-bench-{name}-") as folder:
            results = asyncio.run(importlib.import_module(f"benchmarks.{name}").run(Path(folder)))
        keep(results, name)
        rows += results.lines() if isinstance(results, Table) else [result.row() for result in results]
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
