"""A process that sees erasures through until nothing is left to do, or dies by SIGKILL at a point of it."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.settings import DatabaseSettings, KafkaSettings
from labelmill.topics import ERASURES, ITEMS
from pydantic import SecretStr
from review_api.accounts import audit
from review_api.rights import store
from review_api.rights.eraser import Eraser
from review_api.rights.store import ErasureStore

Reached = Callable[[str, tuple[Any, ...], Any], bool]


def _published(topic: str | None) -> Reached:
    return lambda call, args, _: call == "publish" and args[1] == topic


BEFORE_CONFIRMATION: Final[dict[str, Reached]] = {
    "erased, not committed": lambda call, _, __: call == "_erase",
    "erased": lambda call, _, result: call == "erase_some" and result > 0,
    "first tombstones written": _published(ITEMS.name),
    "others asked": _published(ERASURES.name),
    "noted as published": lambda call, _, __: call == "published",
    "nothing left to erase": lambda call, _, result: call == "erase_some" and result == 0,
}

AFTER_CONFIRMATION: Final[dict[str, Reached]] = {
    "request gone": _published(ERASURES.name),
    "letters gone": _published(ERASURES.dlq),
    "names forgotten": lambda call, _, __: call == "forget",
    "finished, not committed": lambda call, _, __: call == "record",
    "finished": lambda call, _, result: call == "finish" and bool(result),
}


def _dying(reached: Reached, owner: Any, call: str) -> None:
    """Have a function die by SIGKILL once it has done its work, if that is the point."""
    work: Callable[..., Awaitable[Any]] = getattr(owner, call)

    async def worked(*args: Any, **options: Any) -> Any:
        result = await work(*args, **options)
        if reached(call, args, result):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, call, worked)


async def main(database_url: str, bootstrap_servers: str, point: str) -> None:
    """Work until there is nothing to do, or until `point`; an empty one is never reached."""
    if point:
        reached = (BEFORE_CONFIRMATION | AFTER_CONFIRMATION)[point]
        for owner, calls in (
            (ErasureStore, ("erase_some", "published", "forget", "finish")),
            (Publisher, ("publish",)),
            (store, ("_erase",)),
            (audit, ("record",)),
        ):
            for call in calls:
                _dying(reached, owner, call)
    database = Database(DatabaseSettings(database_url=SecretStr(database_url)), "review", "review_api")
    publisher = Publisher(KafkaSettings(kafka_bootstrap_servers=bootstrap_servers))
    await database.start()
    await publisher.start()
    eraser = Eraser(ErasureStore(database), publisher)
    while await eraser.step():
        pass
    await publisher.stop()
    await database.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
