"""Items whose questions are for a batch leave the window here, and come back by the topic they came from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from aiokafka import ConsumerRecord

from autolabeler.batch_store import Parked
from autolabeler.batching import UNANSWERED, BatchQuestion, Unanswered, unanswered_header, unanswered_in
from autolabeler.jobs import Job, Wanted


class Store(Protocol):
    """Where items are kept until their questions are answered."""

    async def park(self, items: Sequence[Parked], questions: Sequence[BatchQuestion]) -> None: ...


class Parking:
    """Parks jobs: they are stored, and then their offsets may be committed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def park(self, jobs: Mapping[Job, Sequence[Wanted]]) -> None:
        """Store jobs with the questions that they wait for, and end them."""
        if not jobs:
            return
        items = [_parked(job, wanted) for job, wanted in jobs.items()]
        questions = [_question(job, each) for job, wanted in jobs.items() for each in wanted]
        await self._store.park(items, questions)
        for job in jobs:
            job.park()


def _parked(job: Job, wanted: Sequence[Wanted]) -> Parked:
    record, headers = job.record, list(job.record.headers)
    if job.unanswered:
        # It came from a batch before: what it was told then holds, or two voters would send it to and fro.
        headers.append(unanswered_header(job.unanswered))
    keys = [each.question.key for each in wanted]
    return Parked(record.partition, record.offset, record.key or b"", record.value, headers, keys)


def _question(job: Job, wanted: Wanted) -> BatchQuestion:
    voter = job.voter_of(wanted)
    return BatchQuestion(wanted.question, job.plan.project, voter.name, job.payer, voter.prices)


def back_from_batch(record: ConsumerRecord) -> tuple[ConsumerRecord, Unanswered]:
    """Return a record as it first came, and what its headers tell if it comes from a batch."""
    told = [value for name, value in record.headers if name == UNANSWERED]
    if not told:
        return record, {}
    unanswered = {key: why for value in told for key, why in unanswered_in(value).items()}
    headers = [header for header in record.headers if header[0] != UNANSWERED]
    return replace(record, headers=headers), unanswered
