"""A start at one instant: processes that hold their partitions stand still until the clock runs."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from aiokafka.admin import AIOKafkaAdminClient
from labelmill_local.system import Running, System

from benchmarks.load import until

_STATE, _MEMBERS = 2, 5
"""Places in a group's description, as DescribeGroups (Kafka protocol, key 15) orders them."""


async def joined(system: System, group: str, members: int) -> None:
    """Return once `members` processes have shared out the partitions of labelmill's `group`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=system.backends.kafka.bootstrap_servers)
    await admin.start()

    async def stable_members() -> float:
        (described,) = await admin.describe_consumer_groups([f"labelmill-{group}"])
        found = described.groups[0]
        return len(found[_MEMBERS]) if found[_STATE] == "Stable" else 0

    try:
        await until(f"members of {group}", stable_members, members, limit_s=60)
    finally:
        await admin.close()


@contextmanager
def held_still(services: Sequence[Running]) -> Iterator[None]:
    """Suspend the processes of `services`; at the end of the block all go on at once.

    Shorter than Kafka's session timeout (10 s), so that nobody is taken for dead.
    """
    pids = [pid for each in services if (pid := each.process.pid) is not None]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
