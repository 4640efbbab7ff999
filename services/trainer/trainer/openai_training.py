"""The trainer `openai`: a call of `advance` takes one step of a fine-tuning job; the row remembers it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import openai
from labelmill import ids
from labelmill.projects import ProjectSpec, VoterSpec
from labelmill.prompts import Message
from labelmill.releases import FineTunedModel, Release

from trainer import evaluation
from trainer import finetuning_data as data
from trainer import finetuning_job as course
from trainer.datasets import Dataset, Member, sides
from trainer.errors import NotEnough, ProviderRefused
from trainer.finetuning_job import Progress, Step
from trainer.jobs import Ended, Job, Outcome, Pause, Proposal
from trainer.openai_finetuning import Provider, is_passing
from trainer.settings import TrainerSettings
from trainer.store import Store

_ASKED_AT_ONCE = 8
_HOUR_MS = 3600 * 1000


@dataclass(frozen=True)
class _Task:
    """What every step of one training works on."""

    job: Job
    dataset: Dataset
    spec: ProjectSpec
    voter: VoterSpec
    present: Release | None


class OpenAiTrainer:
    """Uploads, creates, polls and judges."""

    def __init__(self, store: Store, provider: Provider, settings: TrainerSettings) -> None:
        self._store = store
        self._provider = provider
        self._settings = settings

    async def advance(
        self, job: Job, dataset: Dataset, spec: ProjectSpec, present: Release | None
    ) -> Outcome:
        """Take the next step and return how far it came.

        Raises ProviderRefused for a failure that trying again would not mend, with the provider's reason.
        """
        voter = data.voter_to_replace(spec)
        if voter is None:
            return Ended("the project has no LLM voter whose model could be fine-tuned", failed=True)
        progress = course.begun(msgspec.json.decode(job.progress, type=Progress), _now())
        try:
            return await self._step(_Task(job, dataset, spec, voter, present), progress)
        except NotEnough as lacking:
            return Ended(str(lacking), failed=False)
        except openai.APIError as error:
            if not is_passing(error):
                raise ProviderRefused(f"the provider refused: {error.message}") from error
            return self._pause(course.waited(progress))

    async def _step(self, task: _Task, progress: Progress) -> Outcome:
        match course.next_step(progress, _now(), int(self._settings.finetuning_max_hours * _HOUR_MS)):
            case Step.UPLOAD:
                return self._pause(await self._upload(task, progress))
            case Step.CREATE:
                return self._pause(await self._create(task, progress))
            case Step.POLL:
                return self._pause(course.polled(progress, await self._provider.job(progress.job_id)))
            case Step.CANCEL:
                return await self._cancel(progress)
            case Step.EVALUATE:
                return await self._evaluate(task, progress)

    def _pause(self, progress: Progress) -> Pause:
        first_ms = int(self._settings.finetuning_poll_seconds * 1000)
        return Pause(msgspec.json.encode(progress), _now() + course.wait_ms(progress, first_ms))

    async def _upload(self, task: _Task, progress: Progress) -> Progress:
        members = await self._members(task)
        train, held_out = sides(members)
        evaluation.check_held_out(len(held_out))
        data.check_examples(len(train))
        newest = [members[row] for row in train][-self._settings.finetuning_max_examples :]
        texts = await self._store.contents(newest)
        decided = [(text, member.label) for text, member in zip(texts, newest, strict=True)]
        content = await asyncio.to_thread(data.training_file, task.spec, task.voter, decided)
        tag = f"{task.dataset.version}-{ids.event_id(content.decode())[:12]}"
        name = f"labelmill-{task.spec.project}-{tag}.jsonl"
        file_id = await self._provider.find_file(name) or await self._provider.upload(name, content)
        return course.uploaded(progress, tag, file_id)

    async def _create(self, task: _Task, progress: Progress) -> Progress:
        training = f"{task.spec.project}-{task.job.id}"
        remote = course.to_resume(await self._provider.jobs(progress.tag), progress.tag, training)
        if remote is None:
            model = task.spec.training.base_model
            remote = await self._provider.create(model, progress.file_id, progress.tag, training)
        return course.created(progress, remote.id, _now())

    async def _cancel(self, progress: Progress) -> Ended:
        if progress.job_id:
            await self._provider.cancel(progress.job_id)
        hours = self._settings.finetuning_max_hours
        return Ended(f"fine-tuning took more than {hours:g} hours", failed=True)

    async def _evaluate(self, task: _Task, progress: Progress) -> Proposal:
        members = await self._members(task)
        held = [members[row] for row in sides(members)[1]][-self._settings.finetuning_evaluation_items :]
        evaluation.check_held_out(len(held))
        model = FineTunedModel(voter=task.voter.name, model=progress.model)
        candidate = await self._score(model, task, held)
        rival = task.present.finetuned if task.present else None
        if rival is not None and rival.voter == task.voter.name:
            standing = await self._score(rival, task, held)
        else:
            standing = evaluation.standing_of_machine(held, len(task.spec.labels))
        return Proposal(
            evaluation=evaluation.evaluation_of(candidate, standing),
            verdict=evaluation.judge(candidate, standing),
            finetuned=model,
        )

    async def _score(self, model: FineTunedModel, task: _Task, held: Sequence[Member]) -> evaluation.Score:
        texts = await self._store.contents(held)
        questions = [data.question(task.spec, task.voter, text) for text in texts]
        answers = await self._answers(model.model, task, questions)
        return evaluation.machine_score(
            [label for label, _ in answers],
            [confidence for _, confidence in answers],
            [member.label for member in held],
            evaluation.judging_weights(held),
            len(task.spec.labels),
        )

    async def _answers(
        self, model: str, task: _Task, questions: Sequence[list[Message]]
    ) -> list[tuple[str, float]]:
        keys = [data.question_key(messages) for messages in questions]
        known = await self._store.answers(model, keys)
        turns = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def ask(key: str, messages: list[Message]) -> None:
            async with turns:
                text, logprob = await self._provider.ask(model, messages)
            label, confidence = data.read_answer(task.spec, task.voter, text, logprob)
            await self._store.add_answer(model, key, label, confidence)
            known[key] = (label, confidence)

        missing = {key: messages for key, messages in zip(keys, questions, strict=True) if key not in known}
        results = await asyncio.gather(*(ask(*pair) for pair in missing.items()), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error
        return [known[key] for key in keys]

    async def _members(self, task: _Task) -> list[Member]:
        """Return the dataset's decisions whose label the project still has."""
        labels = set(task.spec.label_names)
        return [member for member in await self._store.members(task.dataset) if member.label in labels]


def _now() -> int:
    return int(time.time() * 1000)
