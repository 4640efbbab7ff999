"""TCP ports on the loopback interface."""

import asyncio
import contextlib
import itertools
import os
import socket
from collections.abc import Collection

from labelmill_local.errors import StackError

HOST = "127.0.0.1"


_FIRST, _BEYOND = 15_000, 32_000
_turns = itertools.count(os.getpid() * 997)


def free_port(*, but: Collection[int] = ()) -> int:
    """A port that is free, was not drawn by this process before, and is none of `but`.

    The caller listens there seconds later: until then nobody is to take it. So it lies below the ports that
    systems give to outgoing connections and to who asks for any, and each process draws from a place of its
    own onwards. Raises StackError if all are taken.
    """
    for turn in itertools.islice(_turns, _BEYOND - _FIRST):
        port = _FIRST + turn % (_BEYOND - _FIRST)
        if port not in but and is_free(port):
            return port
    raise StackError(f"all ports from {_FIRST} to {_BEYOND - 1} on {HOST} are taken")


def is_free(port: int) -> bool:
    """True if a server could listen on `port` now, also while old connections linger in TIME_WAIT."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def require_free(port: int, part: str, setting: str) -> None:
    """Raise StackError naming the `part` that wants `port` and the `setting` that moves it elsewhere."""
    if not is_free(port):
        raise StackError(
            f"port {port} on {HOST} is taken, and {part} needs it: stop what listens there, "
            f"or choose another with {setting}=<port>"
        )


async def accepts(port: int) -> bool:
    """True if something accepts a connection on `port`."""
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection(HOST, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
