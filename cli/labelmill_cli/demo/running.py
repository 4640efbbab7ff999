"""The rounds of the demo against a running labelmill: feed, let people decide, let the trainer learn."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import yaml

from labelmill_cli.demo import measure
from labelmill_cli.demo.data import Example
from labelmill_cli.demo.measure import Observed, Prices, Round
from labelmill_cli.demo.progress import RoundProgress
from labelmill_cli.demo.reviewers import Reviewer
from labelmill_cli.errors import CliError

REVIEWERS = 4
_POLL_SECONDS = 0.5
_STUCK_SECONDS = 180.0
_COUNTS = ("decided", "llm_calls", "student_only", "cost_usd")


@dataclass
class Demo:
    """One run of the demo on an empty system; `review` is signed in as admin, `trainer` with its token."""

    example: Example
    review: httpx.AsyncClient
    trainer: httpx.AsyncClient
    progress: RoundProgress
    new_client: Callable[[str], httpx.AsyncClient]
    """Makes a client of review-api that is signed in with a token."""
    reviewers: list[Reviewer] = field(default_factory=list)
    pipeline: httpx.AsyncClient = field(init=False)
    """Signed in as who reads the labels: a manager who does not review, so that none is held back."""

    def __post_init__(self) -> None:
        self.spec: dict[str, Any] = yaml.safe_load(self.example.project)
        self.name = str(self.spec["project"])
        self.prices = Prices(self.spec["minutes_per_decision"], self.spec["usd_per_hour"])

    async def prepare(self) -> None:
        """Apply the project and give every reviewer, and who reads the labels, an account of their own."""
        await self._call("PUT", f"/v1/projects/{self.name}", content=self.example.project)
        self.pipeline = await self._account("pipeline", "manager")
        for number in range(1, REVIEWERS + 1):
            client = await self._account(f"reviewer-{number}", "reviewer")
            self.reviewers.append(Reviewer(client, self.name, self.example.ratings))

    async def _account(self, name: str, role: str) -> httpx.AsyncClient:
        await self._call("POST", "/v1/accounts", json={"name": name, "roles": [role]})
        token = await self._call("POST", f"/v1/accounts/{name}/tokens", json={"label": "demo"})
        return self.new_client(token["token"])

    async def run(self, rounds: Sequence[range]) -> list[Round]:
        """Run the rounds one after the other; between two, the trainer learns from all decisions."""
        done = []
        for number, stretch in enumerate(rounds, start=1):
            head = f"round {number} of {len(rounds)}"
            self.progress.begin(head, len(stretch))
            done.append(await self._round(number, stretch))
            if number < len(rounds):
                self.progress.say(f"{head}: training")
                await self._train()
            self.progress.say(_summary(done[-1]))
        return done

    async def _round(self, number: int, stretch: range) -> Round:
        before = await self._status()
        lines = b"\n".join(self.example.items[stretch.start : stretch.stop])
        started = time.monotonic()
        answer = await self._call("POST", f"/v1/projects/{self.name}/items", content=lines)
        if answer["accepted"] != len(stretch):
            raise CliError(f"only {answer['accepted']} of {len(stretch)} items were accepted: {answer}")
        routed = await self._routed_and_decided(stretch)
        after = await self._status()
        change = {name: after[name] - before[name] for name in _COUNTS}
        labels = {label["item_id"]: label for label in await self._labels()}
        mine = [labels[item_id] for item_id in self.example.item_ids[stretch.start : stretch.stop]]
        return measure.measure_round(
            number,
            labels=mine,
            machine_labels={label["item_id"]: label["machine_label"] for label in mine},
            ratings=self.example.ratings,
            prices=self.prices,
            observed=Observed(
                seconds_to_route=routed - started,
                release=before["release"],
                decisions=change["decided"],
                llm_calls=change["llm_calls"],
                student_only=change["student_only"],
                llm_usd=change["cost_usd"],
            ),
        )

    async def _routed_and_decided(self, stretch: range) -> float:
        """Let people decide while the items come; return when the last item was routed (monotonic)."""
        all_final = False

        def finished() -> bool:
            return all_final

        working = [asyncio.create_task(reviewer.work(finished)) for reviewer in self.reviewers]
        try:
            routed = await self._watch(stretch, working)
        finally:
            all_final = True
            await asyncio.gather(*working)
        return routed

    async def _watch(self, stretch: range, working: Sequence[asyncio.Task[int]]) -> float:
        routed, best, moved = 0.0, 0, time.monotonic()
        while True:
            status, now = await self._status(), time.monotonic()
            if not routed and status["accepted"] + status["requested"] >= stretch.stop:
                routed = now
            final = status["final_labels"]
            if final > best:
                best, moved = final, now
                self.progress.reached(max(0, final - stretch.start))
            if routed and final >= stretch.stop:
                return routed
            for task in working:
                if task.done():
                    task.result()
            if now - moved > _STUCK_SECONDS:
                raise CliError(
                    f"nothing has moved for {_STUCK_SECONDS:.0f} s at {final} final labels: {status}"
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def _train(self) -> None:
        """Train on every decision so far and return when the result is known everywhere."""
        decided = (await self._status())["decided"]
        await _until(self._learned, decided)
        asked = (await self._call("POST", f"/v1/projects/{self.name}/train", self.trainer))["job"]
        await _until(lambda: self._ended(asked), 1)
        told = await self._releases()
        newest = max((release["number"] for release in told["releases"]), default=0)
        await _until(self._release, newest)

    async def _ended(self, job: int) -> float:
        """Return 1 once training `job` and every other has ended, else 0."""
        trainings = (await self._releases())["trainings"]
        busy = any(training["state"] in ("waiting", "running") for training in trainings)
        return float(not busy and any(training["id"] >= job for training in trainings))

    async def _releases(self) -> dict[str, Any]:
        return await self._call("GET", f"/v1/projects/{self.name}/releases", self.trainer)

    async def _release(self) -> float:
        return float((await self._status())["release"])

    async def _learned(self) -> float:
        """How many decisions the trainer has taken in, from its metrics."""
        text = (await self.trainer.get("/metrics")).text
        name = "labelmill_records_total{"
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    async def _status(self) -> dict[str, Any]:
        return await self._call("GET", f"/v1/projects/{self.name}/status")

    async def _labels(self) -> list[dict[str, Any]]:
        answer = await self.pipeline.get(f"/v1/projects/{self.name}/labels")
        answer.raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]

    async def final_labels(self) -> int:
        """Return how many final labels the ledger exports; an item with two of them counts twice."""
        return len(await self._labels())

    async def _call(
        self, method: str, path: str, client: httpx.AsyncClient | None = None, **content: Any
    ) -> dict[str, Any]:
        answer = await (client or self.review).request(method, path, **content)
        if answer.is_error:
            raise CliError(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        told: dict[str, Any] = answer.json()
        return told


async def _until(measure_now: Callable[[], Awaitable[float]], target: float) -> None:
    """Return once `measure_now()` has reached `target`. Raises CliError if it does not in time."""
    deadline = time.monotonic() + _STUCK_SECONDS
    while (reached := await measure_now()) < target:
        if time.monotonic() > deadline:
            raise CliError(f"the trainer is at {reached:.0f} of {target:.0f} for {_STUCK_SECONDS:.0f} s")
        await asyncio.sleep(_POLL_SECONDS)


def _summary(done: Round) -> str:
    return (
        f"round {done.round}: {done.accuracy:.1%} right, {done.human_share:.0%} to people, "
        f"{done.items_per_s:,.0f} items/s"
    )
