"""Wiring of the autolabeler: what is made of what, and in which order it starts."""

from labelmill.embedding import Embedder, load_embedder
from labelmill.events import AcceptancePublished, ProjectPublished, ReleasePublished
from labelmill.runtime import kafka
from labelmill.runtime.compacted import Follower
from labelmill.runtime.consumer import Subscription
from labelmill.runtime.http import operations_app
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.service import Component, Context, Service
from labelmill.topics import ACCEPTANCE, ERASURES, ITEMS, PROJECTS, RELEASES

from autolabeler.batch_api import BatchProvider
from autolabeler.batch_store import BatchStore
from autolabeler.batches import Batches
from autolabeler.budgets import Budgets
from autolabeler.calls import Calls
from autolabeler.erasing import ErasedItems, Erasing
from autolabeler.function_runs import Functions
from autolabeler.handlers import Labeler
from autolabeler.llm import LlmAnswerer
from autolabeler.parking import Parking
from autolabeler.planning import Plans
from autolabeler.settings import AutolabelerSettings
from autolabeler.sink import Sink
from autolabeler.store import BudgetStore, VoteCache
from autolabeler.student import Students
from autolabeler.voters import Answerer
from autolabeler.voting import Voting
from autolabeler.window import Window


def build(settings: AutolabelerSettings, answerer: Answerer | None = None) -> Service:
    """Return the service, not started; does no I/O. `answerer` takes the place of the LLM's client."""
    context = Context.create("autolabeler", settings)
    metrics = context.metrics

    def show_release(event: ReleasePublished) -> None:
        metrics.release.labels(event.project).set(event.release.number)

    def load(name: str) -> Embedder:
        return load_embedder(name, threads=settings.student_threads)

    broker = kafka.broker(settings)
    publisher = Publisher(settings)
    # Nothing here locks or sets anything in a session: a reset would double the vote cache's round trips.
    database = Database(settings, "autolabeler", "autolabeler", reset=False)
    projects = Follower(settings, PROJECTS, ProjectPublished, health=context.health)
    releases = Follower(settings, RELEASES, ReleasePublished, show_release, health=context.health)
    acceptances = Follower(settings, ACCEPTANCE, AcceptancePublished, health=context.health)
    answerer = answerer or LlmAnswerer(settings)
    cache = VoteCache(context, database, settings.vote_retention_days)
    budgets = Budgets(context, projects, BudgetStore(database))
    calls = Calls(context, settings, answerer, cache=cache, budgets=budgets)
    students = Students(load)
    window = Window(
        settings.autolabeler_window_items,
        settings.autolabeler_window_bytes,
        settings.autolabeler_window_span,
    )
    sink = Sink(context, publisher, settings.autolabeler_collect_seconds)
    plans = Plans(projects, releases, acceptances, settings.llm_tokens_field)
    functions = Functions(metrics, settings.functions_dir, settings.function_seconds)
    batch_store, provider = BatchStore(database), BatchProvider(settings)
    batches = Batches(
        context, settings, store=batch_store, provider=provider, publisher=publisher, projects=projects
    )
    voting = Voting(
        metrics,
        answerer,
        cache=cache,
        calls=calls,
        students=students,
        functions=functions,
        parking=Parking(batch_store),
    )
    erased = ErasedItems(database)
    labeler = Labeler(
        context=context,
        settings=settings,
        window=window,
        plans=plans,
        voting=voting,
        calls=calls,
        sink=sink,
        erased=erased,
    )
    subscription = Subscription(
        context,
        broker,
        publisher,
        group="autolabeler",
        topics=[ITEMS],
        handle=labeler.handle,
        max_records=settings.autolabeler_batch_records,
        commit="by_handler",
        on_revoked=labeler.revoked,
    )
    erasing = Subscription(
        context,
        broker,
        publisher,
        group="autolabeler-erasures",
        topics=[ERASURES],
        handle=Erasing(erased, publisher).handle,
    )
    sink.connect(subscription.bury, labeler.make_room)
    labeler.connect(subscription)
    components: list[Component] = [database, publisher, projects, releases, acceptances]
    components += [cache, budgets, answerer, provider, batches, functions, students, calls, sink]
    components += [subscription, erasing, broker, labeler]
    return Service(context, operations_app(context), components)
