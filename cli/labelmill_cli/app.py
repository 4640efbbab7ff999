"""The `labelmill` command: its sub-commands, and how errors reach the person at the keyboard."""

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer

COMMANDS: Final = {
    "demo": "demo",
    "up": "local",
    "down": "local",
    "bootstrap": "bootstrap",
    "project": "project",
    "guideline": "guideline",
    "policy": "policy",
    "replay": "replay",
    "estimate": "estimate",
    "ingest": "items",
    "status": "status",
    "agreement": "agreement",
    "pay": "pay",
    "gold": "gold",
    "export": "items",
    "erase": "erase",
    "dlq": "dlq",
    "train": "train",
    "account": "account",
}
"""Command to its module, in the order of the help. A module with an `app` holds commands of its own."""


def build(wanted: str | None = None) -> typer.Typer:
    """Return the command line, or only the part with the `wanted` command.

    Importing everything that some command needs would take longer than most commands do.
    """
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)

    @app.callback()
    def labelmill(
        show_version: Annotated[
            bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
        ] = False,
    ) -> None:
        """Turn a stream of raw items into labels whose error is known, at the least human effort."""

    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        module: Any = importlib.import_module(f"labelmill_cli.commands.{COMMANDS[str(name)]}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, str(name)))
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"labelmill {version('labelmill-cli')}")
        raise typer.Exit


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: status 0, 1 after an error, 2 for wrong usage."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        build(given[0] if given else None)(args=given)
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain again while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("LABELMILL_DEBUG"):
            raise
        _tell(error)
        sys.exit(1)


def _tell(error: Exception) -> None:
    from labelmill_cli.errors import sentence  # noqa: PLC0415 - it knows every library's errors
    from labelmill_cli.output import err  # noqa: PLC0415

    err.print(f"error: {sentence(error)}", soft_wrap=True)
