"""Routes for taking items in, and for looking at what became of one."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import ApiError, unknown_project
from review_api.http import answer
from review_api.items.admission import Admission
from review_api.items.ingestion import Ingestion, Ingestor
from review_api.items.lineage_api import check_raw, unknown_item
from review_api.items.lines import Gunzip, LineSplitter
from review_api.items.screening import Outcome
from review_api.items.store import ItemStore
from review_api.projects.api import Project
from review_api.projects.store import ProjectStore

log = structlog.get_logger(__name__)

STREAMED: Final = ("POST", "/v1/projects/{project}/items")
"""The route that reads its body as it arrives, however long that is."""

_MOST_DRAINED_BYTES = 64 * 1024 * 1024

_BODY: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Content-Encoding",
            "in": "header",
            "schema": {"type": "string", "enum": ["identity", "gzip"]},
            "description": "How the body is packed.",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"item_id":"t1","content":"What a day!","metadata":{"lang":"en"},'
                '"owner":"u-17","licence":"CC-BY-4.0","source":"app","consent":"terms-3"}\n'
                '{"item_id":"t2","content":"Nobody came."}\n',
            }
        },
    },
}


class RejectedLine(BaseModel):
    """A line that was not taken."""

    line: int
    item_id: str | None
    reason: str
    detail: str


class Ingested(BaseModel):
    """What became of the lines. Of the rejected, the first hundred are shown."""

    accepted: int
    duplicates: int
    rejected_count: int
    rejected: list[RejectedLine]


class Lineage(BaseModel):
    """All that happened to an item. Times are Unix milliseconds."""

    item: dict[str, Any] | None
    routes: list[dict[str, Any]]
    votes: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    comments: list[dict[str, Any]]
    flags: list[dict[str, Any]]
    final_label: dict[str, Any] | None
    earlier_labels: list[dict[str, Any]] = Field(description="what was final until another label replaced it")


def router(
    ingestor: Ingestor,
    admission: Admission,
    items: ItemStore,
    projects: ProjectStore,
    access: Access,
    *,
    idle_seconds: float,
) -> APIRouter:
    """Return the routes about items."""
    routes = APIRouter(prefix="/v1/projects/{project}/items", tags=["items"])
    sender = access.require("manager", "service")
    manager = access.require("manager")

    @routes.post(
        "",
        summary="Take items in",
        responses=documented(Ingested, 401, 403, 404, 408, 415, 422, 429),
        openapi_extra=_BODY,
    )
    async def ingest(
        project: Project, request: Request, by: Annotated[Principal, Depends(sender)]
    ) -> Response:
        """One JSON object a line, as many as there are: `item_id`, `content` and, if wanted, `metadata` (text
        by name) and where it comes from: `owner`, `licence`, `source`, `consent`. The body is read as it
        arrives, and the answer comes once Kafka has acknowledged the items. Sending the same item again is
        harmless; the same `item_id` with other content is refused, like every line that cannot be used. A
        request that breaks off can simply be sent again."""
        unpacked = _unpacked(request, _unpacking(request), idle_seconds)
        if not await projects.exists(project):
            raise unknown_project(project)
        try:
            with admission.request():
                async with ingestor.open(project) as ingestion:
                    return answer(_shown(await _ingest(ingestion, unpacked)))
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it
        except ApiError as error:
            if error.status == 429:
                await _drain(request, idle_seconds)
            raise

    @routes.get(
        "/{item_id:path}",
        summary="Show an item as it is stored",
        responses=documented(Lineage, 401, 403, 404),
    )
    async def lineage(
        project: Project,
        item_id: Annotated[str, Path(max_length=200, examples=["t1"])],
        by: Annotated[Principal, Depends(manager)],
    ) -> Response:
        """All there is, as it is stored. Who may be given a blind check of the item is refused."""
        found = await items.lineage(project, item_id)
        if found is None:
            raise unknown_item(project, item_id)
        check_raw(project, found, by)
        return answer(found)

    return routes


async def _ingest(ingestion: Ingestion, unpacked: AsyncIterator[bytes]) -> Outcome:
    splitter = LineSplitter()
    try:
        async for piece in unpacked:
            await ingestion.take(splitter.feed(piece))
        await ingestion.take(splitter.close())
    except zlib.error as error:
        raise _broken(ingestion, 422, "invalid_encoding", f"the body is not gzip: {error}") from error
    except TimeoutError as error:
        raise _broken(ingestion, 408, "stalled", "the request stopped in the middle") from error
    return await ingestion.finish()


def _shown(outcome: Outcome) -> dict[str, Any]:
    return {
        "accepted": outcome.accepted,
        "duplicates": outcome.duplicates,
        "rejected_count": outcome.rejected_count,
        "rejected": outcome.rejected,
    }


def _broken(ingestion: Ingestion, status: int, code: str, why: str) -> ApiError:
    taken = ingestion.outcome.accepted
    return ApiError(status, code, f"{why}; {taken} items were taken before: send all of them again")


def _unpacking(request: Request) -> Gunzip | None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip"):
        return Gunzip()
    raise ApiError(415, "unknown_encoding", f"Content-Encoding {encoding!r} is not taken: send gzip or plain")


async def _unpacked(request: Request, gunzip: Gunzip | None, idle_seconds: float) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Raises TimeoutError when nothing comes, zlib.error for broken gzip."""
    async for chunk in _chunks(request, idle_seconds):
        if gunzip is None:
            yield chunk
        else:
            for piece in gunzip.feed(chunk):
                yield piece
    if gunzip is not None:
        gunzip.close()


async def _chunks(request: Request, idle_seconds: float) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        if chunk:
            yield chunk


async def _drain(request: Request, idle_seconds: float) -> None:
    """Read what is left of a refused request: many clients look for the answer once they have sent it all."""
    drained = 0
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async for chunk in _chunks(request, idle_seconds):
            drained += len(chunk)
            if drained > _MOST_DRAINED_BYTES:
                return
