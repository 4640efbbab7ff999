"""`python -m labelmill_local.dev --dir FOLDER`: a private Kafka and PostgreSQL, until Ctrl-C."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from labelmill_local.backends import Backends
from labelmill_local.errors import StackError
from labelmill_local.signals import FirstSignal


async def run(folder: Path, kafka_port: int, postgres_port: int) -> None:
    """Start both, print how to reach them, and wait for SIGINT or SIGTERM."""
    async with (
        FirstSignal() as ending,
        Backends(folder, kafka_port=kafka_port, postgres_port=postgres_port) as backends,
    ):
        for name, value in backends.env().items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.flush()
        sys.stderr.write("running; Ctrl-C stops both\n")
        await ending.wait()


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
