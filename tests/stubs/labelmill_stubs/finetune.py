"""The stub of what takes long: `python -m labelmill_stubs.finetune --port 8090 --polls-per-stage 2`.

Serves /v1/files, /v1/fine_tuning/jobs and /v1/batches, and for tests POST /control and GET /stats.
"""

import argparse
import asyncio
import json
import re
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from labelmill_stubs.batches import BatchDesk
from labelmill_stubs.jobs import ApiError, Mode, Workshop

WORKSHOP = web.AppKey("workshop", Workshop)
DESK = web.AppKey("desk", BatchDesk)
_METADATA = re.compile(r"metadata\[([^]]+)\]")
_MAX_UPLOAD = 512 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn ApiError into its JSON, and apply the modes that refuse every call of the API."""
    try:
        if request.path.startswith("/v1/"):
            request.app[WORKSHOP].guard()
        return await handler(request)
    except ApiError as error:
        headers = {"Retry-After": "1"} if error.status == 429 else {}
        return web.json_response(error.body, status=error.status, headers=headers)
    except web.HTTPException as error:
        refused = ApiError(f"{error.reason}: {request.method} {request.path}", error.status)
        return web.json_response(refused.body, status=error.status)


async def upload(request: web.Request) -> web.Response:
    """POST /v1/files with the parts `purpose` and `file`."""
    if not request.content_type.startswith("multipart/"):
        raise ApiError("The request must be multipart/form-data.")
    form = await request.post()
    purpose, file = form.get("purpose"), form.get("file")
    if not isinstance(purpose, str):
        raise ApiError("'purpose' is a required property", param="purpose")
    if not isinstance(file, web.FileField):
        raise ApiError("'file' is a required property", param="file")
    stored = request.app[WORKSHOP].upload(file.filename, purpose, file.file.read(), time.time())
    return web.json_response(stored.as_json())


async def list_files(request: web.Request) -> web.Response:
    """GET /v1/files, newest first; `purpose` narrows."""
    purpose = request.query.get("purpose")
    files = [f.as_json() for f in request.app[WORKSHOP].files.values() if purpose in {None, f.purpose}]
    return web.json_response({"object": "list", "data": files[::-1], "has_more": False})


async def get_file(request: web.Request) -> web.Response:
    """GET /v1/files/{id}."""
    return web.json_response(request.app[WORKSHOP].file(request.match_info["id"]).as_json())


async def get_content(request: web.Request) -> web.Response:
    """GET /v1/files/{id}/content."""
    return web.Response(body=request.app[WORKSHOP].file(request.match_info["id"]).content)


async def delete_file(request: web.Request) -> web.Response:
    """DELETE /v1/files/{id}."""
    request.app[WORKSHOP].delete_file(request.match_info["id"])
    return web.json_response({"id": request.match_info["id"], "object": "file", "deleted": True})


async def create_job(request: web.Request) -> web.Response:
    """POST /v1/fine_tuning/jobs."""
    job = request.app[WORKSHOP].create(await _json(request), time.time())
    return web.json_response(job.as_json())


async def list_jobs(request: web.Request) -> web.Response:
    """GET /v1/fine_tuning/jobs with `after`, `limit` and `metadata[key]=value`."""
    metadata = {m[1]: value for name, value in request.query.items() if (m := _METADATA.fullmatch(name))}
    jobs, more = request.app[WORKSHOP].list_jobs(metadata, request.query.get("after"), _limit(request))
    return web.json_response({"object": "list", "data": [job.as_json() for job in jobs], "has_more": more})


async def get_job(request: web.Request) -> web.Response:
    """GET /v1/fine_tuning/jobs/{id}: counts as a poll."""
    return web.json_response(request.app[WORKSHOP].poll(request.match_info["id"], time.time()).as_json())


async def cancel_job(request: web.Request) -> web.Response:
    """POST /v1/fine_tuning/jobs/{id}/cancel."""
    return web.json_response(request.app[WORKSHOP].cancel(request.match_info["id"], time.time()).as_json())


async def job_events(request: web.Request) -> web.Response:
    """GET /v1/fine_tuning/jobs/{id}/events, newest first."""
    events = request.app[WORKSHOP].job(request.match_info["id"]).events[::-1]
    return web.json_response({"object": "list", "data": events, "has_more": False})


async def create_batch(request: web.Request) -> web.Response:
    """POST /v1/batches."""
    return web.json_response(request.app[DESK].create(await _json(request), time.time()).as_json())


async def list_batches(request: web.Request) -> web.Response:
    """GET /v1/batches with `after` and `limit`."""
    batches, more = request.app[DESK].list_batches(request.query.get("after"), _limit(request))
    data = [batch.as_json() for batch in batches]
    return web.json_response({"object": "list", "data": data, "has_more": more})


async def get_batch(request: web.Request) -> web.Response:
    """GET /v1/batches/{id}: counts as a poll."""
    return web.json_response(request.app[DESK].poll(request.match_info["id"], time.time()).as_json())


async def cancel_batch(request: web.Request) -> web.Response:
    """POST /v1/batches/{id}/cancel."""
    return web.json_response(request.app[DESK].cancel(request.match_info["id"], time.time()).as_json())


async def models(request: web.Request) -> web.Response:
    """GET /v1/models: those that jobs have made."""
    made = (job.fine_tuned_model for job in request.app[WORKSHOP].jobs.values())
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "stub"} for name in made if name]
    return web.json_response({"object": "list", "data": data})


async def stats(request: web.Request) -> web.Response:
    """GET /stats."""
    return web.json_response({**request.app[WORKSHOP].stats(), **request.app[DESK].stats()})


async def control(request: web.Request) -> web.Response:
    """POST /control with any of `mode`, `polls_per_stage`, `seconds_per_stage`, `idempotent`, `fail_batches`,
    `expire_batches`."""
    changes = await _json(request)
    workshop, desk = request.app[WORKSHOP], request.app[DESK]
    known = {"mode": Mode, "polls_per_stage": int, "seconds_per_stage": float, "idempotent": bool}
    known |= {"fail_batches": int, "expire_batches": int}
    try:
        values = {name: known[name](value) for name, value in changes.items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ApiError(f"unknown change: {error}") from error
    for name, value in values.items():
        setattr(desk if name.endswith("_batches") else workshop, name, value)
    return await stats(request)


def _limit(request: web.Request) -> int:
    limit = request.query.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise ApiError("limit must lie between 1 and 100.", param="limit")
    return int(limit)


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except json.JSONDecodeError as error:
        raise ApiError(f"We could not parse the JSON body of your request: {error}") from error


def make_app(workshop: Workshop) -> web.Application:
    """The stub over a state of its own."""
    app = web.Application(middlewares=[refusals], client_max_size=_MAX_UPLOAD)
    app[WORKSHOP] = workshop
    app[DESK] = BatchDesk(workshop)
    app.add_routes(
        [
            web.post("/v1/files", upload),
            web.get("/v1/files", list_files),
            web.get("/v1/files/{id}", get_file),
            web.get("/v1/files/{id}/content", get_content),
            web.delete("/v1/files/{id}", delete_file),
            web.post("/v1/fine_tuning/jobs", create_job),
            web.get("/v1/fine_tuning/jobs", list_jobs),
            web.get("/v1/fine_tuning/jobs/{id}", get_job),
            web.post("/v1/fine_tuning/jobs/{id}/cancel", cancel_job),
            web.get("/v1/fine_tuning/jobs/{id}/events", job_events),
            web.post("/v1/batches", create_batch),
            web.get("/v1/batches", list_batches),
            web.get("/v1/batches/{id}", get_batch),
            web.post("/v1/batches/{id}/cancel", cancel_batch),
            web.get("/v1/models", models),
            web.get("/stats", stats),
            web.post("/control", control),
        ]
    )
    return app


async def serve(workshop: Workshop, port: int, host: str) -> None:
    """Run until SIGINT or SIGTERM. The first line printed says where it listens."""
    runner = web.AppRunner(make_app(workshop), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    print(f"listening on http://{host}:{runner.addresses[0][1]}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="labelmill_stubs.finetune", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=int, default=0, help="0 takes a free one, named in the first line printed"
    )
    parser.add_argument("--polls-per-stage", type=int, default=1)
    parser.add_argument("--seconds-per-stage", type=float, default=0.0)
    parser.add_argument("--mode", type=Mode, default=Mode.NORMAL, choices=list(Mode))
    parser.add_argument("--idempotent", action="store_true", help="equal metadata returns the earlier job")
    args = parser.parse_args(argv)
    workshop = Workshop(args.polls_per_stage, args.seconds_per_stage, idempotent=args.idempotent)
    workshop.mode = args.mode
    asyncio.run(serve(workshop, args.port, args.host))


if __name__ == "__main__":
    main()
