"""A batch of scored labels in, a batch of routed events out."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from aiokafka import ConsumerRecord
from labelmill.errors import InvalidRecord
from labelmill.events import AcceptancePublished, EventDecoder, LabelScored, ProjectPublished
from labelmill.policy import Policy
from labelmill.runtime.consumer import parse
from labelmill.runtime.dlq import DeadLetter
from labelmill.runtime.metrics import Metrics
from labelmill.runtime.publisher import OutRecord
from labelmill.runtime.tracing import passed_on
from labelmill.topics import LABELS_ACCEPTED, REVIEWS_REQUESTED, item_key

from router.routing import routed


class Projects(Protocol):
    """The projects in force, as the follower of their topic knows them."""

    def get(self, key: str) -> ProjectPublished | None: ...

    async def catch_up(self) -> None: ...


class Acceptances(Protocol):
    """What evidence allows to accept, by project."""

    def get(self, key: str) -> AcceptancePublished | None: ...


class Publishes(Protocol):
    """Where routed events go."""

    async def publish(self, topic: str, records: Iterable[OutRecord]) -> None: ...


class Router:
    """Routes batches of `labels.scored`."""

    def __init__(
        self, projects: Projects, acceptances: Acceptances, publisher: Publishes, metrics: Metrics
    ) -> None:
        self._projects = projects
        self._acceptances = acceptances
        self._publisher = publisher
        self._metrics = metrics
        self._decoder = EventDecoder(LabelScored)
        self._policies: dict[str, tuple[ProjectPublished, AcceptancePublished | None, Policy]] = {}

    async def handle(self, records: Sequence[ConsumerRecord]) -> Sequence[DeadLetter]:
        """Publish the route of every record and return those that cannot be routed."""
        parsed, letters = parse(records, self._decoder)
        policies = await self._policies_of(event for _, event in parsed)
        outgoing: dict[str, list[OutRecord]] = {LABELS_ACCEPTED.name: [], REVIEWS_REQUESTED.name: []}
        outcomes: Counter[tuple[str, str, str]] = Counter()
        now_ms = int(time.time() * 1000)
        for record, event in parsed:
            policy = policies[event.project]
            if isinstance(policy, InvalidRecord):
                letters.append(DeadLetter(record, policy))
                continue
            try:
                topic, value, reason = routed(policy, event, record.value, now_ms)
            except InvalidRecord as error:
                letters.append(DeadLetter(record, error))
                continue
            key = record.key or item_key(event.project, event.item_id)
            outgoing[topic].append(OutRecord(record.partition, key, value, passed_on(record)))
            outcomes[event.project, topic, reason] += 1
        await self._publish(outgoing)
        self._count(outcomes)
        return letters

    async def _policies_of(self, scores: Iterable[LabelScored]) -> dict[str, Policy | InvalidRecord]:
        """Return the policy of each score's project, or why it has none.

        Where a score comes by a newer guideline than this process has heard of, the autolabeler was faster:
        by the old version a new label would be no label at all.
        """
        newest: dict[str, int] = {}
        for score in scores:
            newest[score.project] = max(score.guideline_version, newest.get(score.project, 0))
        if any(self._is_behind(project, guideline) for project, guideline in newest.items()):
            await self._projects.catch_up()
        return {project: self._policy(project) for project in newest}

    def _is_behind(self, project: str, guideline: int) -> bool:
        published = self._projects.get(project)
        return published is None or published.guideline_version < guideline

    def _policy(self, project: str) -> Policy | InvalidRecord:
        published = self._projects.get(project)
        if published is None:
            return InvalidRecord("unknown_project", f"no project {project!r} has been applied")
        accepts = self._acceptances.get(project)
        known = self._policies.get(project)
        if known is not None and known[0] is published and known[1] is accepts:
            return known[2]
        try:
            policy = Policy.of(published, accepts.acceptance if accepts else None)
        except InvalidRecord as error:
            return error
        self._policies[project] = (published, accepts, policy)
        return policy

    async def _publish(self, outgoing: dict[str, list[OutRecord]]) -> None:
        for topic, records in outgoing.items():
            if records:
                await self._publisher.publish(topic, records)
                self._metrics.published.labels(topic).inc(len(records))

    def _count(self, outcomes: Counter[tuple[str, str, str]]) -> None:
        for (project, topic, reason), count in outcomes.items():
            outcome = "accepted" if topic == LABELS_ACCEPTED.name else "review"
            self._metrics.routed.labels(project, outcome, reason).inc(count)
