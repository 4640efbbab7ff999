"""The `labelmill` command: its sub-commands, and how errors reach the person at the keyboard."""

import logging
import os
import sys
from collections.abc import Sequence

import typer

from labelmill_cli.commands import account, bootstrap, demo, dlq, items, local, project, train
from labelmill_cli.errors import sentence
from labelmill_cli.output import err

app = typer.Typer(
    help="Turn a stream of raw items into labels whose error is known, at the least human effort.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(demo.demo)
app.command()(local.up)
app.command()(local.down)
app.command()(bootstrap.bootstrap)
app.add_typer(project.app, name="project")
app.command()(items.ingest)
app.command()(items.status)
app.command()(items.export)
app.add_typer(dlq.app, name="dlq")
app.command()(train.train)
app.add_typer(account.app, name="account")


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: status 0, 1 after an error, 2 for wrong usage."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        app(args=arguments)
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain again while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("LABELMILL_DEBUG"):
            raise
        err.print(f"error: {sentence(error)}", markup=False, soft_wrap=True)
        sys.exit(1)
