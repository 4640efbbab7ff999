"""`python -m autolabeler`: run the service until a signal."""

from labelmill.runtime.service import main

from autolabeler.app import build
from autolabeler.settings import AutolabelerSettings


def run() -> None:
    """Run the service to its end."""
    settings = AutolabelerSettings()

    async def serve() -> None:
        await build(settings).run()

    main("autolabeler", settings, serve)


if __name__ == "__main__":
    run()
