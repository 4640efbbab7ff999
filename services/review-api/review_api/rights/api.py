"""Routes of data rights: erasing, and how far it is."""

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field, model_validator

from review_api.accounts.access import Access
from review_api.accounts.roles import Principal
from review_api.docs import documented
from review_api.errors import ApiError
from review_api.http import answer
from review_api.rights.store import ErasureStore, Item

_Name = Annotated[str, Field(min_length=1, max_length=200)]


class Subject(BaseModel):
    """What to erase: an item of a project; or what an owner has, in all projects unless one is named."""

    project: _Name | None = Field(default=None, examples=["tweets"])
    item_id: _Name | None = Field(default=None, examples=["t1"])
    owner: _Name | None = None
    dry_run: bool = Field(default=False, description="only count what would be erased")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.item_id is None) == (self.owner is None):
            raise ValueError("give either item_id (with project) or owner")
        if self.item_id is not None and self.project is None:
            raise ValueError("an item is named by project and item_id")
        return self


class ErasureBegun(BaseModel):
    """`erasure_id` is null after a dry run; `items` says how many the ledger holds now, by project."""

    erasure_id: int | None
    items: dict[str, int]


class ErasureShown(BaseModel):
    """How far an erasure is: `erasing` (out of the ledger), `confirming` (by the other services), `done`.

    `removed` are the rows taken out or blanked, by service and table; `unconfirmed` items wait for a service.
    """

    erasure_id: int
    state: Literal["erasing", "confirming", "done"]
    requested_by: str
    requested_at: int
    done_at: int | None
    items: int
    unconfirmed: int
    removed: dict[str, dict[str, int]]
    quoted: list[str] = Field(description="guidelines that show an item as an example: to be edited by hand")


def router(store: ErasureStore, access: Access) -> APIRouter:
    """Return the routes about erasures."""
    routes = APIRouter(prefix="/v1/erasures", tags=["data rights"])
    admin = access.require("admin")

    @routes.post(
        "",
        status_code=202,
        summary="Erase an item, or what an owner has",
        responses=documented(ErasureBegun, 401, 403, 404, 422, status=202),
    )
    async def erase(subject: Subject, by: Annotated[Principal, Depends(admin)]) -> Response:
        """Content, metadata, votes and labels go from the ledger, from Kafka and from the other services;
        what was learned from them is trained anew. An item that was erased is refused for good. Of an owner,
        the items that are there now are erased, not those that come later."""
        if subject.owner is not None:
            return answer(await _of_owner(store, by.name, subject, subject.owner), 202)
        item = Item(subject.project or "", subject.item_id or "")
        return answer(await _of_item(store, by.name, subject, item), 202)

    @routes.get(
        "/{erasure_id}", summary="Show an erasure", responses=documented(ErasureShown, 401, 403, 404, 422)
    )
    async def show(
        erasure_id: Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])],
        _: Annotated[Principal, Depends(admin)],
    ) -> Response:
        found = await store.show(erasure_id)
        if found is None:
            raise ApiError(404, "unknown_erasure", f"there is no erasure {erasure_id}")
        return answer(found)

    return routes


async def _of_item(store: ErasureStore, by: str, subject: Subject, item: Item) -> dict[str, Any]:
    if (known := await store.in_hand(item)) is not None:
        return {"erasure_id": known, "items": {}}
    if not await store.is_known(item):
        raise ApiError(404, "unknown_item", f"project {item.project!r} has no item {item.item_id!r}")
    begun = None if subject.dry_run else await store.begin(by, item=item)
    return {"erasure_id": begun, "items": {item.project: 1}}


async def _of_owner(store: ErasureStore, by: str, subject: Subject, owner: str) -> dict[str, Any]:
    owned = await store.owned(owner, subject.project)
    if not owned:
        raise ApiError(404, "unknown_owner", "no item here says that it is this owner's")
    begun = None if subject.dry_run else await store.begin(by, owner=owner, project=subject.project)
    return {"erasure_id": begun, "items": owned}
