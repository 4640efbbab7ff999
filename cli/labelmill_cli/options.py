"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

State = Annotated[
    Path,
    typer.Option(
        "--state",
        envvar="LABELMILL_STATE",
        help="Folder that a local labelmill keeps everything in.",
        show_default=True,
    ),
]
Project = Annotated[str, typer.Option("--project", "-p", help="Name of the project.")]

DEFAULT_STATE = Path(".labelmill")
