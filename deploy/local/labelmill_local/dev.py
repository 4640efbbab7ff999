"""`python -m labelmill_local.dev --dir FOLDER`: a private Kafka and PostgreSQL in the foreground, until Ctrl-C."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from labelmill_local.backends import Backends
from labelmill_local.errors import StackError


async def run(folder: Path, kafka_port: int, postgres_port: int) -> None:
    """Start both, print how to reach them, and wait for SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with Backends(folder, kafka_port=kafka_port, postgres_port=postgres_port) as backends:
        for name, value in backends.env().items():
            print(f"export {name}={value}", flush=True)
        print("running; Ctrl-C stops both", file=sys.stderr, flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m labelmill_local.dev", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="state folder; the same one resumes")
    parser.add_argument("--kafka-port", type=int, default=0, help="0: a free one")
    parser.add_argument("--postgres-port", type=int, default=0, help="0: a free one")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        asyncio.run(run(args.dir, args.kafka_port, args.postgres_port))
    except StackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
