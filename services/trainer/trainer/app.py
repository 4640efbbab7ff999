"""Wiring of the trainer: what is made of what, and in which order it starts."""

from labelmill.events import ProjectPublished, ReleasePublished
from labelmill.runtime import kafka
from labelmill.runtime.compacted import Follower
from labelmill.runtime.consumer import Subscription
from labelmill.runtime.http import operations_app
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.service import Component, Context, Service
from labelmill.topics import ERASURES, PROJECTS, RELEASES, REVIEWS_DECIDED

from trainer.acceptances import Acceptances
from trainer.api import Api
from trainer.audits import Audits
from trainer.embeddings import Embeddings
from trainer.erased import ErasedItems
from trainer.erasing import Erasing
from trainer.gates import Gates
from trainer.handlers import Decisions
from trainer.looking import Qualities
from trainer.looks import Looks
from trainer.openai_finetuning import Provider
from trainer.openai_training import OpenAiTrainer
from trainer.publications import Publications
from trainer.relay import Relay
from trainer.rescoring import Rescoring
from trainer.settings import TrainerSettings
from trainer.store import Store
from trainer.student_training import StudentTrainer
from trainer.trainings import Trainer, Trainings


def build(settings: TrainerSettings) -> Service:
    """Return the service, not started; does no I/O."""
    context = Context.create("trainer", settings)
    health, metrics = context.health, context.metrics

    def show_release(event: ReleasePublished) -> None:
        metrics.release.labels(event.project).set(event.release.number)
        metrics.heldout_accuracy.labels(event.project).set(event.release.evaluation.accuracy)
        acceptances.changed(event.project)

    def judge_anew(event: ProjectPublished) -> None:
        acceptances.changed(event.project)

    broker = kafka.broker(settings)
    publisher = Publisher(settings)
    database = Database(settings, "trainer", "trainer")
    store = Store(database)
    publications = Publications(database)
    projects = Follower(settings, PROJECTS, ProjectPublished, judge_anew, health=health)
    releases = Follower(settings, RELEASES, ReleasePublished, show_release, health=health)
    relay = Relay(publications, publisher, health, metrics)
    provider = Provider(settings)
    trainers: dict[str, Trainer] = {
        "student": StudentTrainer(store, settings),
        "openai": OpenAiTrainer(store, provider, settings),
    }
    trainings = Trainings(
        store=store,
        projects=projects,
        releases=releases,
        trainers=trainers,
        relay=relay,
        settings=settings,
        health=health,
        metrics=metrics,
    )
    qualities = Qualities(
        looks=Looks(database),
        embeddings=Embeddings(store, settings),
        publications=publications,
        projects=projects,
        present=trainings.present,
        relay=relay,
        settings=settings,
        health=health,
    )
    acceptances = Acceptances(
        audits=Audits(database),
        gates=Gates(database),
        publications=publications,
        projects=projects,
        present=trainings.present,
        rescores=Rescoring(Embeddings(store, settings)),
        relay=relay,
        health=health,
        metrics=metrics,
    )
    trainings.on_settled(qualities.changed)
    trainings.on_settled(acceptances.changed)
    heard = [trainings.changed, acceptances.changed]
    erased = ErasedItems(database)
    decisions = Decisions(
        store,
        projects,
        settings.split_key.get_secret_value(),
        heard,
        erased=erased,
        publisher=publisher,
    )
    forgotten = [trainings.changed, acceptances.changed, qualities.changed, lambda _: relay.wake()]
    erasing = Subscription(
        context,
        broker,
        publisher,
        group="trainer-erasures",
        topics=[ERASURES],
        handle=Erasing(erased, publisher, forgotten).handle,
    )
    subscription = Subscription(
        context,
        broker,
        publisher,
        group="trainer",
        topics=[REVIEWS_DECIDED],
        handle=decisions.handle,
        max_records=settings.trainer_batch_records,
    )
    api = Api(
        store=store,
        projects=projects,
        trainings=trainings,
        relay=relay,
        qualities=qualities,
        settings=settings,
    )
    inputs: list[Component] = [database, publisher, projects, releases]
    work: list[Component] = [
        provider,
        relay,
        qualities,
        acceptances,
        trainings,
        subscription,
        erasing,
        broker,
    ]
    return Service(context, operations_app(context, api.routes()), [*inputs, *work])
