"""`labelmill demo`: real tweets through the whole system, and a report of what became of them."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer

from labelmill_cli.commands.local import running_pid, save_connection, welcome
from labelmill_cli.demo import measure, report
from labelmill_cli.demo.data import Example, load, rounds
from labelmill_cli.demo.progress import RoundProgress
from labelmill_cli.demo.running import Demo
from labelmill_cli.errors import CliError
from labelmill_cli.output import err, out

if TYPE_CHECKING:
    from labelmill_local.standard import Access

SHARES = (0.1, 0.15, 0.2, 0.25, 0.3)
"""The rounds' shares of the items: small ones first, while the model is slow and people do most."""
_TIMEOUT = httpx.Timeout(60.0)
_MARK = "made-by-demo"
"""File in a state folder that says the next demo may delete it."""


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the system running afterwards.")] = False,
    items: Annotated[int | None, typer.Option(help="How many tweets; all if not given.", min=50)] = None,
    example: Annotated[Path, typer.Option(help="Folder of the example.")] = Path("examples/tweets"),
    home: Annotated[Path, typer.Option(help="State folder; an earlier demo's is removed.")] = Path(
        ".labelmill/demo"
    ),
    output: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("demo-report"),
) -> None:
    """Label real tweets with everything real, and write a report of quality, people, speed and money."""
    loaded = load(example, items)
    asyncio.run(_demo(loaded, home.absolute(), output, keep=keep))


async def _demo(example: Example, home: Path, output: Path, *, keep: bool) -> None:
    from labelmill_local.errors import StackError  # noqa: PLC0415 - as in `labelmill up`
    from labelmill_local.settings import StackSettings  # noqa: PLC0415
    from labelmill_local.signals import FirstSignal  # noqa: PLC0415
    from labelmill_local.standard import standard_stack  # noqa: PLC0415

    started = time.monotonic()
    fresh_home(home)
    try:
        standard = standard_stack(StackSettings(home=home))
        async with FirstSignal() as ending, standard.stack:
            save_connection(home, standard.access)
            await _measure(example, standard.access, output, started)
            if keep:
                welcome(standard.access, home)
                await ending.wait()
    except StackError as error:
        raise CliError(str(error)) from error


def fresh_home(home: Path) -> None:
    """Make `home` a fresh folder. What an earlier demo left is removed, and nothing that is not a demo's.

    Raises CliError if a system runs there, or if the folder holds anything else.
    """
    if (pid := running_pid(home)) is not None:
        raise CliError(f"labelmill runs on {home} (process {pid}): stop it with `kill {pid}` first")
    if home.exists() and any(home.iterdir()):
        if not (home / _MARK).exists():
            raise CliError(f"{home} holds something that no demo made: choose another folder with --home")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / _MARK).touch()


async def _measure(example: Example, access: "Access", output: Path, started: float) -> None:
    async with _clients(access) as (review, trainer, new_client):
        with RoundProgress(err) as progress:
            run = Demo(example, review, trainer, progress, new_client)
            await run.prepare()
            done = await run.run(rounds(len(example.items), SHARES))
        figures = measure.report(
            done,
            final_labels=await run.final_labels(),
            seconds=time.monotonic() - started,
            ratings=example.ratings,
            prices=run.prices,
        )
    page = report.write(figures, output)
    out.print(f"report    {page.absolute()}", soft_wrap=True)


@asynccontextmanager
async def _clients(
    access: "Access",
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient, Callable[[str], httpx.AsyncClient]]]:
    def client(url: str, token: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT)

    opened = [client(access.url, access.admin_token), client(access.trainer_url, access.trainer_token)]

    def new_client(token: str) -> httpx.AsyncClient:
        opened.append(client(access.url, token))
        return opened[-1]

    try:
        yield opened[0], opened[1], new_client
    finally:
        await asyncio.gather(*(each.aclose() for each in opened))
