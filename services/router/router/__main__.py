"""`python -m router`: run the service until a signal."""

from labelmill.runtime.service import main

from router.app import build
from router.settings import RouterSettings


def run() -> None:
    """Run the service to its end."""
    settings = RouterSettings()

    async def serve() -> None:
        await build(settings).run()

    main("router", settings, serve)


if __name__ == "__main__":
    run()
