"""The HTTP API of review-api and of the trainer, as the commands use it."""

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import msgspec

from labelmill_cli.connection import Connection
from labelmill_cli.errors import ApiError, CliError

_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_LONGEST_WAIT_S = 60.0
_HINTS = {
    401: "sign-in was refused: set LABELMILL_TOKEN to a valid token",
    403: "this token may not do that: use one of an account with the right role",
}


class Rejected(msgspec.Struct, frozen=True):
    """A line that ingestion refused. `line` counts from 1 within the request."""

    line: int
    reason: str
    detail: str = ""
    item_id: str | None = None


class Ingested(msgspec.Struct, frozen=True):
    """What became of the lines of one request."""

    accepted: int
    duplicates: int
    rejected_count: int
    rejected: list[Rejected] = []


class Api:
    """A signed-in client of review-api (or, with `trainer_of`, of the trainer)."""

    def __init__(self, url: str, token: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT)
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def apply_project(self, project: str, document: bytes) -> dict[str, Any]:
        """Create or change a project from its YAML."""
        headers = {"Content-Type": "application/yaml"}
        return self._call("PUT", f"/v1/projects/{project}", content=document, headers=headers)

    def projects(self) -> list[dict[str, Any]]:
        """Return the projects, without their definitions."""
        answer: Any = self._call("GET", "/v1/projects")
        found: list[dict[str, Any]] = answer["projects"] if isinstance(answer, dict) else answer
        return found

    def project(self, project: str, version: int | None = None) -> dict[str, Any]:
        """Return a project with its definition: the one in force, or an earlier version's."""
        parameters = {} if version is None else {"version": version}
        return self._call("GET", f"/v1/projects/{project}", params=parameters)

    def guidelines(self, project: str) -> dict[str, Any]:
        """Return the versions of a project's guideline, the newest first, and which is in force."""
        return self._call("GET", f"/v1/projects/{project}/guidelines")

    def guideline_diff(self, project: str, number: int, since: int | None) -> dict[str, Any]:
        """Return what changed up to a version of the guideline."""
        parameters = {} if since is None else {"since": since}
        return self._call("GET", f"/v1/projects/{project}/guidelines/{number}/diff", params=parameters)

    def campaigns(self, project: str) -> list[dict[str, Any]]:
        """Return a project's campaigns, the newest first."""
        found: list[dict[str, Any]] = self._call("GET", f"/v1/projects/{project}/campaigns")["campaigns"]
        return found

    def plan_campaign(self, project: str, body: dict[str, Any]) -> dict[str, Any]:
        """Have a campaign planned; nothing is sent before it is started."""
        return self._call("POST", f"/v1/projects/{project}/campaigns", json=body)

    def campaign(self, project: str, campaign_id: int) -> dict[str, Any]:
        """Return a campaign with its plan and how far it is."""
        return self._call("GET", f"/v1/projects/{project}/campaigns/{campaign_id}")

    def move_campaign(self, project: str, campaign_id: int, act: str) -> dict[str, Any]:
        """Start, pause, resume or cancel a campaign."""
        return self._call("POST", f"/v1/projects/{project}/campaigns/{campaign_id}/{act}")

    def promise(self, project: str) -> dict[str, Any]:
        """Return how a project's promise stands."""
        return self._call("GET", f"/v1/projects/{project}/promise")

    def agreement(self, project: str) -> dict[str, Any]:
        """Return how far people agree with each other and with the machine."""
        return self._call("GET", f"/v1/projects/{project}/agreement")

    def decisions(self, project: str) -> Iterator[bytes]:
        """Yield who decided what, one JSON document each."""
        return self._lines(f"/v1/projects/{project}/decisions", {})

    def pay(self, project: str, days: dict[str, str]) -> dict[str, Any]:
        """Return people's days and what they earn; `days` holds `since` and `until`, where given."""
        return self._call("GET", f"/v1/projects/{project}/pay", params=days)

    def payroll(self, project: str, days: dict[str, str]) -> bytes:
        """Return the same days as CSV."""
        return _checked(self._client.get(f"/v1/projects/{project}/pay.csv", params=days)).content

    def put_gold(self, project: str, lines: bytes) -> dict[str, Any]:
        """Hand in gold, a JSON object a line; return what became of it."""
        headers = {"Content-Type": "application/x-ndjson"}
        return self._call("PUT", f"/v1/projects/{project}/gold", content=lines, headers=headers)

    def gold(self, project: str) -> dict[str, Any]:
        """Return the gold of a project, the newest first, and whether it is enough."""
        return self._call("GET", f"/v1/projects/{project}/gold")

    def retire_gold(self, project: str, item_id: str) -> None:
        """Hand a gold item out no more."""
        self._call("DELETE", f"/v1/projects/{project}/gold/{quote(item_id)}")

    def status(self, project: str) -> dict[str, Any]:
        """Return the project's counts."""
        return self._call("GET", f"/v1/projects/{project}/status")

    def ingest(self, project: str, lines: bytes, on_wait: Callable[[float], None]) -> Ingested:
        """Send NDJSON lines and return what became of them; waits as long as the server is overloaded.

        Sending the same lines again changes nothing. `on_wait` hears of each wait, in seconds.
        """
        headers = {"Content-Type": "application/x-ndjson"}
        while True:
            path = f"/v1/projects/{project}/items"
            answer = self._client.post(path, content=lines, headers=headers)
            if answer.status_code not in (429, 503):
                return msgspec.json.decode(_checked(answer).content, type=Ingested)
            seconds = _retry_after(answer)
            on_wait(seconds)
            self._sleep(seconds)

    def labels(
        self, project: str, *, content: bool, owners: bool = False, manifest: bool = False
    ) -> Iterator[bytes]:
        """Yield the final labels, one JSON document each; with `manifest`, a last one that describes them."""
        asked = {"content": content, "owners": owners, "manifest": manifest}
        parameters = {name: "1" for name, wanted in asked.items() if wanted}
        return self._lines(f"/v1/projects/{project}/labels", parameters)

    def routes(self, project: str) -> Iterator[bytes]:
        """Yield every score with its route and what people decided, one JSON document each."""
        return self._lines(f"/v1/projects/{project}/routes", {})

    def lineage(self, project: str, item_id: str) -> dict[str, Any]:
        """Return all that happened to an item."""
        return self._call("GET", f"/v1/projects/{project}/items/{quote(item_id, safe='')}")

    def erase(self, subject: dict[str, str], *, dry_run: bool = False) -> dict[str, Any]:
        """Ask for an erasure, or what it would erase: `project` and `item_id`, or `owner` (and `project`)."""
        return self._call("POST", "/v1/erasures", json=subject | ({"dry_run": True} if dry_run else {}))

    def owned(self, subject: dict[str, str]) -> dict[str, int]:
        """Return how many items an owner has, by project."""
        try:
            found: dict[str, int] = self.erase(subject, dry_run=True)["items"]
        except ApiError as error:
            if error.code == "unknown_owner":
                return {}
            raise
        return found

    def erasure(self, erasure_id: int) -> dict[str, Any]:
        """Return how far an erasure is."""
        return self._call("GET", f"/v1/erasures/{erasure_id}")

    def add_account(self, name: str, roles: list[str], password: str | None) -> dict[str, Any]:
        """Create an account."""
        body = {"name": name, "roles": roles} | ({"password": password} if password else {})
        return self._call("POST", "/v1/accounts", json=body)

    def add_token(
        self, name: str, label: str, scopes: list[str] | None = None, days: int | None = None
    ) -> str:
        """Create a token for an account and return it; it is shown this once."""
        body: dict[str, Any] = {"label": label}
        body |= {"scopes": scopes} if scopes else {}
        body |= {"expires_in_days": days} if days else {}
        return str(self._call("POST", f"/v1/accounts/{name}/tokens", json=body)["token"])

    def accounts(self) -> list[dict[str, Any]]:
        """Return the accounts with the roles that hold in all projects."""
        found: list[dict[str, Any]] = self._call("GET", "/v1/accounts")["accounts"]
        return found

    def set_skill(self, project: str, name: str, skill: str, *, held: bool) -> bool:
        """Grant somebody a skill, or take it away; return whether that changed anything."""
        path = f"/v1/projects/{project}/skills/{quote(skill)}/{quote(name)}"
        return bool(self._call("PUT" if held else "DELETE", path)["changed"])

    def members(self, project: str) -> list[dict[str, Any]]:
        """Return who has a role in a project, or in all."""
        found: list[dict[str, Any]] = self._call("GET", f"/v1/projects/{project}/members")["members"]
        return found

    def invite(self, project: str | None, roles: list[str], note: str, hours: int) -> str:
        """Make an invitation to a project, or to all; return its link, which is shown this once."""
        path = "/v1/invitations" if project is None else f"/v1/projects/{project}/invitations"
        made = self._call("POST", path, json={"roles": roles, "note": note, "hours": hours})
        return str(self._client.base_url.join(made["path"]))

    def audit(self, count: int, subject: str | None) -> list[dict[str, Any]]:
        """Return the newest entries of the audit log."""
        asked = {"count": str(count)} | ({"subject": subject} if subject else {})
        found: list[dict[str, Any]] = self._call("GET", "/v1/audit", params=asked)["entries"]
        return found

    def train(self, project: str) -> dict[str, Any]:
        """Ask the trainer for a training now."""
        return self._call("POST", f"/v1/projects/{project}/train")

    def _lines(self, path: str, parameters: dict[str, str]) -> Iterator[bytes]:
        with self._client.stream("GET", path, params=parameters) as answer:
            if answer.status_code >= 400:
                answer.read()
            yield from (line.encode() for line in _checked(answer).iter_lines() if line)

    def _call(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        answer = _checked(self._client.request(method, path, **content))
        try:
            decoded: dict[str, Any] = msgspec.json.decode(answer.content or b"{}")
        except msgspec.DecodeError as error:
            raise CliError(f"{self._client.base_url} is no labelmill: check LABELMILL_URL") from error
        return decoded


def review_api(connection: Connection) -> Api:
    """Return a client of review-api. Raises CliError if it is not known where it runs."""
    if not connection.url or not connection.token:
        missing = "LABELMILL_TOKEN" if connection.url else "LABELMILL_URL and LABELMILL_TOKEN"
        raise CliError(f"no labelmill is known here: start one with `labelmill up`, or set {missing}")
    return Api(connection.url, connection.token)


def trainer_api(connection: Connection) -> Api:
    """Return a client of the trainer. Raises CliError if it is not known where it runs."""
    if not connection.trainer_url or not connection.trainer_token:
        raise CliError(
            "no trainer is known here: start one with `labelmill up`, or set LABELMILL_TRAINER_URL and "
            "LABELMILL_TRAINER_TOKEN"
        )
    return Api(connection.trainer_url, connection.trainer_token)


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.status_code < 400:
        return answer
    code, detail = _refusal(answer)
    said = detail or f"the server answered {answer.status_code}"
    has_own_reason = answer.status_code == HTTPStatus.FORBIDDEN and code not in {"", "forbidden"}
    hint = said if has_own_reason else _HINTS.get(answer.status_code, said)
    raise ApiError(answer.status_code, code, hint)


def _refusal(answer: httpx.Response) -> tuple[str, str]:
    try:
        body = msgspec.json.decode(answer.content)
        return str(body["error"]), str(body["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return "", ""


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(max(float(answer.headers.get("Retry-After", "1")), 0.1), _LONGEST_WAIT_S)
    except ValueError:
        return 1.0
