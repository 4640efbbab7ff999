"""TCP ports on the loopback interface."""

import asyncio
import contextlib
import socket
from collections.abc import Collection

from labelmill_local.errors import StackError

HOST = "127.0.0.1"


def free_port(*, but: Collection[int] = ()) -> int:
    """A port that was free a moment ago, and is none of `but`: what has been chosen and is not yet in use may
    be drawn again. Another process may take it before the caller does."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if port not in but:
            return port


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
        _, writer = await asyncio.wait_for(asyncio.open_connection(HOST, port), timeout=1.0)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
