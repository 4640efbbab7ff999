"""`python -m trainer`: run the service until a signal."""

from labelmill.runtime.service import main

from trainer.app import build
from trainer.settings import TrainerSettings


def run() -> None:
    """Run the service to its end."""
    settings = TrainerSettings()

    async def serve() -> None:
        await build(settings).run()

    main("trainer", settings, serve)


if __name__ == "__main__":
    run()
