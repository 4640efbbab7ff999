"""Batches of chat completions as the API tells of them, in memory; time is passed in by the caller.

A request whose text holds one of `MARKS` fares as the mark says, so that a test can spoil single requests.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from labelmill_stubs.completions import BadRequest, complete, parse_request
from labelmill_stubs.counters import Counters, prompt_key
from labelmill_stubs.jobs import ApiError, StoredFile, Workshop, metadata_in
from labelmill_stubs.modes import Behaviour, Mode

STAGES = ("validating", "in_progress", "finalizing", "completed")
FINISHED = frozenset({"completed", "failed", "expired", "cancelled"})
ENDPOINT = "/v1/chat/completions"
MARKS = {"stub:refuse": 400, "stub:fail": 500, "stub:prose": 200}
_MOST_REQUESTS = 50_000


@dataclass(slots=True)
class Batch:
    """A batch. `fate` is how it will end; `entered` when its present status began, `polls` how often told."""

    id: str
    input_file_id: str
    metadata: dict[str, str]
    created_at: float
    entered: float
    fate: str
    status: str = STAGES[0]
    polls: int = 0
    times: dict[str, int] = field(default_factory=dict)
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: dict[str, Any] | None = None
    counts: dict[str, int] = field(default_factory=lambda: {"total": 0, "completed": 0, "failed": 0})

    def as_json(self) -> dict[str, Any]:
        """The batch object of the API."""
        stamps = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "errors": self.errors,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": int(self.created_at),
            "expires_at": int(self.created_at) + 24 * 3600,
            **{f"{name}_at": self.times.get(name) for name in stamps},
            "request_counts": self.counts,
            "metadata": self.metadata,
        }


class BatchDesk:
    """The batches of a workshop, whose files and pace they share.

    The next `fail_batches` batches fail in validation, the `expire_batches` after them are only half done
    when their time is up. Like the real API it makes a second batch of the same file, counted in
    `duplicate_batches`; `repaid_prompts` are prompts answered more than once.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self.fail_batches = 0
        self.expire_batches = 0
        self.batches: dict[str, Batch] = {}
        self._counters = Counters()
        self._duplicates = 0
        self._largest = 0

    def create(self, asked: Any, now: float) -> Batch:
        """Take a batch from the request's JSON. Raises ApiError for what the API refuses."""
        if not isinstance(asked, dict):
            raise ApiError("The request must be an object.")
        if asked.get("endpoint") != ENDPOINT or asked.get("completion_window") != "24h":
            raise ApiError("This stub takes chat completions within 24h.", param="endpoint")
        stored = self._workshop.file(str(asked.get("input_file_id")))
        if stored.purpose != "batch":
            raise ApiError(f"Invalid purpose of file {stored.id}.", param="input_file_id")
        self._duplicates += any(batch.input_file_id == stored.id for batch in self.batches.values())
        number, fate = len(self.batches) + 1, self._fate()
        batch = Batch(f"batch_stub{number:06d}", stored.id, metadata_in(asked), now, now, fate)
        self.batches[batch.id] = batch
        return batch

    def batch(self, batch_id: str) -> Batch:
        """Raises ApiError for a batch that does not exist."""
        if batch_id not in self.batches:
            raise ApiError(f"No batch found with id '{batch_id}'.", 404)
        return self.batches[batch_id]

    def poll(self, batch_id: str, now: float) -> Batch:
        """The batch as it stands; this call counts as one of the polls that move it on."""
        batch, workshop = self.batch(batch_id), self._workshop
        due = batch.polls >= workshop.polls_per_stage and now - batch.entered >= workshop.seconds_per_stage
        batch.polls += 1
        if due and batch.status not in FINISHED:
            self._advance(batch, now)
        return batch

    def cancel(self, batch_id: str, now: float) -> Batch:
        """End a batch. Raises ApiError if it has ended already."""
        batch = self.batch(batch_id)
        if batch.status in FINISHED:
            raise ApiError(f"Cannot cancel a batch with status '{batch.status}'.", 409)
        self._enter(batch, "cancelled", now)
        return batch

    def list_batches(self, after: str | None, limit: int) -> tuple[list[Batch], bool]:
        """Batches, newest first, and whether more follow; `after` is a batch's id."""
        found = list(reversed(self.batches.values()))
        if after is not None:
            found = found[[batch.id for batch in found].index(self.batch(after).id) + 1 :]
        return found[:limit], len(found) > limit

    def stats(self) -> dict[str, Any]:
        """What has been asked so far."""
        counted = self._counters.snapshot()
        states = [batch.status for batch in self.batches.values()]
        return {
            "batches": len(self.batches),
            "duplicate_batches": self._duplicates,
            "batches_by_status": {status: states.count(status) for status in sorted(set(states))},
            "largest_batch": self._largest,
            **{name: counted[name] for name in ("answered", "paid_prompts", "repaid_prompts")},
            "prompt_tokens": counted["prompt_tokens"],
        }

    def _fate(self) -> str:
        for fate, name in (("failed", "fail_batches"), ("expired", "expire_batches")):
            left = getattr(self, name)
            if left > 0:
                setattr(self, name, left - 1)
                return fate
        return "completed"

    def _advance(self, batch: Batch, now: float) -> None:
        following = STAGES[STAGES.index(batch.status) + 1]
        requests = self._workshop.files[batch.input_file_id].content.splitlines()
        if batch.status == "validating":
            problem = "The batch failed in validation." if batch.fate == "failed" else _problem(requests)
            if problem:
                error = {"code": "invalid_request", "message": problem, "line": None, "param": None}
                batch.errors = {"object": "list", "data": [error]}
                self._enter(batch, "failed", now)
                return
            self._largest = max(self._largest, len(requests))
            batch.counts["total"] = len(requests)
        if batch.status == "in_progress" and batch.fate == "expired":
            self._answer(batch, requests[: len(requests) // 2], requests[len(requests) // 2 :], now)
            following = "expired"
        elif following == "completed":
            self._answer(batch, requests, [], now)
        self._enter(batch, following, now)

    def _enter(self, batch: Batch, status: str, now: float) -> None:
        batch.status, batch.entered, batch.polls = status, now, 0
        batch.times[status] = int(now)

    def _answer(self, batch: Batch, done: list[bytes], undone: list[bytes], now: float) -> None:
        """Write the output and error files. Neither keeps the order of the requests."""
        answered: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for raw in reversed(done):
            request = json.loads(raw)
            status, body = self._respond(request)
            response = {"status_code": status, "request_id": "req_stub", "body": body}
            line = {"id": "batch_req_stub", "custom_id": request["custom_id"], "response": response}
            (answered if status == 200 else failed).append({**line, "error": None})
        expired = {"code": "batch_expired", "message": "This request could not be executed in time."}
        for raw in undone:
            line = {"id": "batch_req_stub", "custom_id": json.loads(raw)["custom_id"], "response": None}
            failed.append({**line, "error": expired})
        batch.counts |= {"completed": len(answered), "failed": len(failed)}
        batch.output_file_id = self._write(batch, "output", answered, now)
        batch.error_file_id = self._write(batch, "error", failed, now)

    def _write(self, batch: Batch, what: str, lines: list[dict[str, Any]], now: float) -> str | None:
        if not lines:
            return None
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        stored: StoredFile = self._workshop.upload(f"{batch.id}_{what}.jsonl", "batch_output", content, now)
        return stored.id

    def _respond(self, request: dict[str, Any]) -> tuple[int, Any]:
        body = json.dumps(request["body"]).encode()
        mark = next((mark for mark in MARKS if mark.encode() in body), None)
        style = Behaviour(Mode.PROSE if mark == "stub:prose" else Mode.KEYWORD, Mode.KEYWORD)
        try:
            asked = parse_request(body)
            completion = complete(asked, style, self._counters.received)
        except BadRequest as error:
            return 400, ApiError(str(error)).body
        status = 200 if mark is None else MARKS[mark]
        if status != 200:
            return status, ApiError(f"The request was marked {mark}.", status).body
        prompt = prompt_key(asked.model, bytes(asked.messages), asked.temperature, asked.seed)
        self._counters.pay(prompt, completion.prompt_tokens, completion.completion_tokens)
        return 200, json.loads(completion.body)


def _problem(requests: list[bytes]) -> str | None:
    """What is wrong with the lines of a file of requests, or None."""
    if not 0 < len(requests) <= _MOST_REQUESTS:
        return f"A batch has 1 to {_MOST_REQUESTS} requests."
    seen: set[str] = set()
    for number, raw in enumerate(requests, start=1):
        try:
            request = json.loads(raw)
        except ValueError:
            return f"Line {number} is not JSON."
        if not isinstance(request, dict) or request.get("method") != "POST" or request.get("url") != ENDPOINT:
            return f"Line {number}: a request has method POST and the batch's url."
        if not isinstance(request.get("custom_id"), str) or request["custom_id"] in seen:
            return f"Line {number}: custom_id must be a string of its own."
        if not isinstance(request.get("body"), dict):
            return f"Line {number}: body must be an object."
        seen.add(request["custom_id"])
    if len({json.dumps(json.loads(raw)["body"].get("model")) for raw in requests}) > 1:
        return "All requests of a batch must ask one model."
    return None
