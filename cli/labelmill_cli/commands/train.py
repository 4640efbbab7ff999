"""`labelmill train`: ask for a training now."""

from labelmill_cli import connection
from labelmill_cli.api import trainer_api
from labelmill_cli.options import DEFAULT_HOME, Home, Project
from labelmill_cli.output import err


def train(project: Project, home: Home = DEFAULT_HOME) -> None:
    """Train on what people have decided so far; the result is promoted only if it is better."""
    with trainer_api(connection.find(home)) as api:
        api.train(project)
    err.print(f"training asked for: `labelmill status -p {project}` shows the release in force")
