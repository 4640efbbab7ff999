"""`python -m review_api [http|ledger|relay ...]`: run these roles (all by default) until a signal."""

import sys
from typing import cast

from labelmill.runtime.service import main

from review_api.app import ROLES, Role, build
from review_api.settings import ReviewSettings


def run() -> None:
    """Run the service to its end. Exit status 2 for a role that does not exist."""
    wanted = sys.argv[1:] or list(ROLES)
    if unknown := sorted(set(wanted) - set(ROLES)):
        sys.exit(f"review_api: no such role: {', '.join(unknown)}; there are {', '.join(ROLES)}")
    settings = ReviewSettings()
    roles = cast("list[Role]", wanted)

    async def serve() -> None:
        await build(settings, roles).run()

    main("review-api", settings, serve)


if __name__ == "__main__":
    run()
