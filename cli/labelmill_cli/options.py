"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path,
    typer.Option("--home", envvar="LABELMILL_HOME", help="Folder of a local labelmill."),
]
Project = Annotated[str, typer.Option("--project", "-p", help="Name of the project.")]

DEFAULT_HOME = Path(".labelmill")
