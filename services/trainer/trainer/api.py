"""The trainer over HTTP: train now, look at releases, roll back. Everything under /v1 needs the token."""

import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from labelmill.events import ProjectPublished
from labelmill.releases import Release
from labelmill.runtime.compacted import Follower
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from trainer import rollback
from trainer.errors import NothingToRestore, Superseded
from trainer.looking import Qualities
from trainer.relay import Relay
from trainer.rollback import Published
from trainer.settings import TrainerSettings
from trainer.store import Store, StoredRelease
from trainer.trainings import Trainings
from trainer.triggers import Trigger

Endpoint = Callable[[Request], Awaitable[JSONResponse]]


class Refusal(Exception):
    """An answer other than success, in the form that every labelmill API gives it."""

    def __init__(self, status: int, error: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.response = JSONResponse({"error": error, "detail": detail}, status, headers)


class Api:
    """The endpoints."""

    def __init__(
        self,
        *,
        store: Store,
        projects: Follower[ProjectPublished],
        trainings: Trainings,
        relay: Relay,
        qualities: Qualities,
        settings: TrainerSettings,
    ) -> None:
        self._store = store
        self._projects = projects
        self._trainings = trainings
        self._relay = relay
        self._qualities = qualities
        self._token = settings.trainer_token.get_secret_value().encode()

    def routes(self) -> list[Route]:
        """Return the routes under /v1."""
        base = "/v1/projects/{project}"
        return [
            Route(f"{base}/train", self._guarded(self._train), methods=["POST"]),
            Route(f"{base}/quality", self._guarded(self._look), methods=["POST"]),
            Route(f"{base}/releases", self._guarded(self._releases), methods=["GET"]),
            Route(f"{base}/rollback", self._guarded(self._rollback), methods=["POST"]),
        ]

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> JSONResponse:
            try:
                self._check_token(request)
                return await endpoint(request)
            except Refusal as refusal:
                return refusal.response

        return guarded

    def _check_token(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(token.strip().encode(), self._token)
        if not self._token or scheme.lower() != "bearer" or not right:
            detail = "send the trainer's token as `Authorization: Bearer TOKEN`"
            raise Refusal(401, "unauthenticated", detail, {"WWW-Authenticate": "Bearer"})

    async def _project(self, request: Request) -> ProjectPublished:
        name = request.path_params["project"]
        event = self._projects.get(name)
        if event is None:
            await self._projects.catch_up()
            event = self._projects.get(name)
        if event is None:
            raise Refusal(404, "unknown_project", f"no project {name!r} has been published")
        return event

    async def _train(self, request: Request) -> JSONResponse:
        event = await self._project(request)
        trainer = event.spec.training.trainer
        job = await self._store.request(event.project, trainer, Trigger.ON_DEMAND, int(time.time() * 1000))
        self._trainings.changed(event.project)
        return JSONResponse({"project": event.project, "job": job}, status_code=202)

    async def _look(self, request: Request) -> JSONResponse:
        project = (await self._project(request)).project
        self._qualities.changed(project)
        return JSONResponse({"project": project}, status_code=202)

    async def _releases(self, request: Request) -> JSONResponse:
        project = (await self._project(request)).project
        releases = await self._store.releases(project)
        return JSONResponse(
            {
                "releases": [_told(each, in_force=each is releases[0]) for each in releases],
                "candidates": await self._store.candidates(project),
                "trainings": await self._store.last_jobs(project),
            }
        )

    async def _rollback(self, request: Request) -> JSONResponse:
        project = (await self._project(request)).project
        releases = {each.release.number: each for each in await self._store.releases(project)}
        try:
            number = rollback.to_restore([Published(n, each.restores) for n, each in releases.items()])
            release = rollback.restored(releases[number].release, max(releases), int(time.time() * 1000))
            await self._store.restore(project, number, release, release.created_at)
        except NothingToRestore as error:
            raise Refusal(409, "nothing_to_restore", str(error)) from error
        except Superseded as error:
            raise Refusal(409, "superseded", str(error)) from error
        self._relay.wake()
        return JSONResponse({"project": project, "release": release.number, "restores": number})


def _told(stored: StoredRelease, *, in_force: bool) -> dict[str, Any]:
    release: Release = stored.release
    student = release.student
    return {
        "number": release.number,
        "in_force": in_force,
        "restores": stored.restores,
        "dataset": release.dataset,
        "decisions": release.decisions,
        "evaluation": msgspec.structs.asdict(release.evaluation),
        "sure_at": student.sure_at if student else None,
        "finetuned": release.finetuned.model if release.finetuned else None,
        "created_at": release.created_at,
        "published_at": stored.published_at,
        "retrain": stored.retrain,
    }
