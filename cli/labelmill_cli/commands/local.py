"""`labelmill up` and `down`: the whole system on this machine."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psutil
import typer

from labelmill_cli import connection
from labelmill_cli.connection import Connection
from labelmill_cli.errors import CliError
from labelmill_cli.options import DEFAULT_HOME, Home
from labelmill_cli.output import err, out

if TYPE_CHECKING:
    from labelmill_local.standard import Access

_MOST_START_S = 300.0
_MOST_STOP_S = 60.0


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it runs.")] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Run Kafka, PostgreSQL, an LLM and the four services here; Ctrl-C stops them."""
    home = home.absolute()
    if detach:
        _start_in_background(home)
    else:
        asyncio.run(_run(home))


def down(home: Home = DEFAULT_HOME) -> None:
    """Stop what `labelmill up` runs on this folder. The state is kept."""
    pid = running_pid(home)
    if pid is None:
        err.print(f"nothing runs on {home}")
        return
    os.kill(pid, signal.SIGTERM)
    with err.status("stopping"):
        hint = f"process {pid} does not stop: `kill -9 {pid}` ends it"
        _wait(lambda: _holder(home) is None and not _is_alive(pid), _MOST_STOP_S, hint)
    err.print("stopped; the state is kept, the next start resumes")


def running_pid(home: Path) -> int | None:
    """Return the process that holds the folder, or None."""
    holder = _holder(home)
    if holder is not None and not holder.isdecimal():
        raise CliError(f"labelmill is just starting or stopping on {home}: try again in a moment")
    return None if holder is None else int(holder)


def _holder(home: Path) -> str | None:
    """Return what the process that holds the folder wrote of itself, or None if there is none: the kernel
    frees the lock however it ends. It is empty for an instant after the start, and before the end."""
    try:
        with (home / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return (home / "lock").read_text().strip()
    return None


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _run(home: Path) -> None:
    if find_spec("labelmill_local") is None:
        raise CliError("the local stack is not installed here: run `make setup` in a checkout of labelmill")
    # Not at the top: the image of the command line comes without the local stack.
    from labelmill_local.errors import StackError  # noqa: PLC0415
    from labelmill_local.settings import StackSettings  # noqa: PLC0415
    from labelmill_local.signals import FirstSignal  # noqa: PLC0415
    from labelmill_local.standard import standard_stack  # noqa: PLC0415

    try:
        standard = standard_stack(StackSettings(home=home))
        access = standard.access
        async with FirstSignal() as ending, standard.stack:
            welcome(access, home)
            save_connection(home, access)  # after the words: `up --detach` shows them once it finds this
            await ending.wait()
    except StackError as error:
        raise CliError(str(error)) from error


def save_connection(home: Path, access: "Access") -> None:
    """Write down how the other commands reach the system that runs on `home`."""
    connection.save(
        home,
        Connection(
            url=access.url,
            token=access.admin_token,
            trainer_url=access.trainer_url,
            trainer_token=access.trainer_token,
            kafka_bootstrap_servers=access.kafka_bootstrap_servers,
        ),
    )


def welcome(access: "Access", home: Path) -> None:
    """Say where the page is and how to sign in."""
    sign_in = f"{access.admin_name}, password {access.admin_password}"
    rows = [("page", access.url), ("sign in", sign_in), ("logs", str(home / "logs"))]
    if home != DEFAULT_HOME.absolute():
        rows.append(("commands", f"export LABELMILL_HOME={home}"))
    out.print("", *(f"{title:<10}{value}" for title, value in rows), "", sep="\n", soft_wrap=True)
    err.print("running; Ctrl-C stops everything, the state is kept")


def _start_in_background(home: Path) -> None:
    if (pid := running_pid(home)) is not None:
        raise CliError(f"labelmill already runs on {home} (process {pid}): stop it with `labelmill down`")
    log = home / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    (home / connection.FILE).unlink(missing_ok=True)
    argv = [sys.executable, "-m", "labelmill_cli", "up", "--home", str(home)]
    # The log shows the password, so nobody else may read it.
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        process = subprocess.Popen(  # noqa: S603 - this very program
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        with err.status("starting (the first time takes a minute)"):
            _wait(
                lambda: (home / connection.FILE).exists() or process.poll() is not None,
                _MOST_START_S,
                f"it has not come up: see {log}",
            )
    except BaseException:
        process.terminate()  # it stops its parts in order; nobody would know of it otherwise
        raise
    text = log.read_text()
    if process.poll() is not None:
        raise CliError((text.strip().splitlines() or ["it ended at once"])[-1].removeprefix("error: "))
    out.print(text[text.find("\npage") :].partition("running;")[0].strip(), soft_wrap=True)
    err.print("running in the background; `labelmill down` stops it")


def _wait(until: Callable[[], bool], most_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + most_s
    while not until():
        if time.monotonic() > deadline:
            raise CliError(otherwise)
        time.sleep(0.1)
