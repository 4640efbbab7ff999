"""Routes about gold items: handing them in, listing and retiring them."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.gold.choosing import for_everybody, shortage
from review_api.gold.people import People
from review_api.gold.reading import Refused, read
from review_api.gold.store import GoldStore
from review_api.http import answer
from review_api.items.blind import reviewer_in
from review_api.projects.api import Project
from review_api.projects.in_force import InForce
from review_api.tasks.pools import Pools

_MOST_REFUSED: Final = 100

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"item_id":"t1","label":"positive","explanation":"Thanks are joy."}\n'
                '{"content":"Nobody came.","label":"negative"}\n',
            },
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
        },
    },
}

ItemId = Annotated[str, Path(max_length=200, examples=["t1"])]


class RefusedLine(BaseModel):
    line: int
    item_id: str | None
    detail: str


class PutShown(BaseModel):
    """What became of the entries. Of the refused, the first hundred are shown."""

    added: int
    changed: int
    refused_count: int
    refused: list[RefusedLine]


class GoldShown(BaseModel):
    """A gold item, and how people fared: `correct` of `answers`; `said` counts what was answered instead."""

    item_id: str
    is_item: bool = Field(description="an item of the project; otherwise a text of its own")
    content: str
    sensitive: bool = Field(description="it distresses: show it when asked for")
    label: Any
    explanation: str
    skill: str | None
    added_by: str
    added_at: int
    retired: bool
    answers: int
    correct: int
    said: dict[str, int]


class CandidateShown(BaseModel):
    """An item that people settled with one voice, or an expert; `corrected`: the machine says otherwise."""

    item_id: str
    content: str
    sensitive: bool = Field(description="it distresses: show it when asked for")
    label: Any
    corrected: bool
    people: int
    expert: bool


class GoldList(BaseModel):
    gold: list[GoldShown]
    for_everybody: int = Field(
        description="items that anybody can be trained and checked with: without a skill, not distressing, "
        "with a label of the guideline in force"
    )
    shortage: str = Field(description="what it means that these are too few; empty if they are enough")


class Candidates(BaseModel):
    candidates: list[CandidateShown]


class Retired(BaseModel):
    item_id: str
    retired: bool


def router(store: GoldStore, people: People, in_force: InForce, access: Access) -> APIRouter:
    """Return the routes about gold items; they show labels and contents: for managers only."""
    routes = APIRouter(prefix="/v1/projects/{project}", tags=["gold"])
    manager = access.require("manager")

    @routes.put(
        "/gold",
        summary="Mark items as gold",
        responses=documented(PutShown, 401, 403, 404, 413, 422),
        openapi_extra=_BODY,
    )
    async def put(project: Project, request: Request, by: Annotated[Principal, Depends(manager)]) -> Response:
        """A JSON object a line, or a list of them: `label`, with `item_id` of an item of the project or
        `content` (and `metadata`) of a text that is none; if wanted `explanation`, shown in training, and
        `skill`. Sending the same again changes nothing; an entry that cannot be used is refused by itself."""
        spec = (await in_force.get(project)).spec
        try:
            entries = read(await request.body(), spec)
        except msgspec.DecodeError as error:
            raise ApiError(422, "invalid_request", f"the body is no JSON: {error}") from error
        done = await store.put(project, [one for one in entries if not isinstance(one, Refused)], by.name)
        people.forget_gold(project)
        refused = sorted(
            [*(one for one in entries if isinstance(one, Refused)), *done.refused], key=lambda one: one.line
        )
        counts = {"added": done.added, "changed": done.changed, "refused_count": len(refused)}
        return answer({**counts, "refused": refused[:_MOST_REFUSED]})

    @routes.get("/gold", summary="List the gold", responses=documented(GoldList, 401, 403, 404))
    async def listed(project: Project, by: Annotated[Principal, Depends(manager)]) -> Response:
        """With what people answered: gold that most of them miss may be wrong itself."""
        spec = (await in_force.get(project)).spec
        items = len(for_everybody(await store.active(project), spec))
        gold = await store.all(project, Pools.of(spec.review))
        return answer({"gold": gold, "for_everybody": items, "shortage": shortage(items, spec)})

    @routes.get(
        "/gold-candidates",
        summary="List items that would make good gold",
        responses=documented(Candidates, 401, 403, 404),
    )
    async def candidates(project: Project, by: Annotated[Principal, Depends(manager)]) -> Response:
        """The newest that several people settled with one voice, or an expert. Those the machine got wrong
        come first: only these can be shown with a suggestion that must not be followed. Left out is of
        what you may be asked in a blind check."""
        pools = Pools.of((await in_force.get(project)).spec.review)
        found = await store.candidates(project, pools, reviewer_in(project, by))
        return answer({"candidates": found})

    @routes.delete(
        "/gold/{item_id:path}",
        summary="Retire gold",
        responses=documented(Retired, 401, 403, 404),
    )
    async def retire(
        project: Project, item_id: ItemId, by: Annotated[Principal, Depends(manager)]
    ) -> Response:
        """It is handed out no more. What was answered still counts: gold that is wrong is put right by
        handing it in again with another label, and then retired if need be."""
        await in_force.get(project)
        if not await store.retire(project, item_id, by.name):
            raise ApiError(404, "unknown_gold", f"{item_id!r} is no gold of project {project!r}")
        people.forget_gold(project)
        return answer({"item_id": item_id, "retired": True})

    return routes
