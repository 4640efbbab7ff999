"""Waiting for the person, or the system, that wants this program to end."""

import asyncio
import signal


async def until_signal() -> None:
    """Return at the first SIGINT or SIGTERM. From the call on, neither ends the program by itself."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    try:
        await stop.wait()
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)
