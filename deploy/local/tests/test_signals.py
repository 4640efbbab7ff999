"""The first signal ends what starts, or what runs; it is never lost."""

import asyncio
import contextlib
import os
import signal

import pytest
from labelmill_local.signals import FirstSignal

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("signum", SIGNALS)
async def test_it_breaks_off_what_starts(signum: signal.Signals) -> None:
    cleaned_up = False

    async def start() -> None:
        nonlocal cleaned_up
        async with FirstSignal():
            os.kill(os.getpid(), signum)
            try:
                await asyncio.sleep(30)
            finally:
                cleaned_up = True

    with pytest.raises(KeyboardInterrupt):
        await start()
    assert cleaned_up
    assert signal.getsignal(signum) in {signal.SIG_DFL, signal.default_int_handler}


@pytest.mark.parametrize("signum", SIGNALS)
async def test_it_ends_what_runs(signum: signal.Signals) -> None:
    async with FirstSignal() as ending:
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signum)
        async with asyncio.timeout(30):
            await ending.wait()


async def test_a_cancellation_that_a_library_swallows_is_made_up_for() -> None:
    async with FirstSignal() as ending:
        os.kill(os.getpid(), signal.SIGINT)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        async with asyncio.timeout(30):
            await ending.wait()
