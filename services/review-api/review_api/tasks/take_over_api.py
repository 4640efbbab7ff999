"""The route by which a person's tasks move from one of their windows to another."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.gold.hands import Hands
from review_api.http import answer
from review_api.projects.api import Project
from review_api.remarks.comments import Comments
from review_api.tasks.api import Claim, Tasks, shown_with_comments


def router(hands: Hands, comments: Comments, access: Access, claim_most: int) -> APIRouter:
    """Return the route about what one holds already."""
    routes = APIRouter(prefix="/v1/projects/{project}/tasks", tags=["tasks"])
    reviewer = access.require("reviewer")

    @routes.post(
        "/take-over",
        summary="Take one's own tasks over from another window",
        responses=documented(Tasks, 401, 403, 404, 413, 422),
    )
    async def take_over(
        project: Project, by: Annotated[Principal, Depends(reviewer)], body: Claim | None = None
    ) -> Response:
        """Gives up to `count` tasks that this person holds new leases. The earlier ones are lost: an answer
        that still comes under them is not counted (409 `lease_lost`), but kept."""
        tasks = await hands.take_over(by, project, min(body.count if body else 1, claim_most))
        return answer(await shown_with_comments(comments, project, tasks))

    return routes
