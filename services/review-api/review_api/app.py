"""Wiring of review-api: what is made of what, in which order it starts, and which roles run."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, Literal

from fastapi import APIRouter, FastAPI
from labelmill.events import AcceptancePublished, QualityPublished, ReleasePublished
from labelmill.prices import Prices, load_prices, packaged_prices
from labelmill.runtime import kafka
from labelmill.runtime.compacted import Follower
from labelmill.runtime.consumer import Subscription
from labelmill.runtime.http import operations_app, operations_routes
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.service import Component, Context, Service
from labelmill.topics import (
    ACCEPTANCE,
    ERASURES_CONFIRMED,
    ITEMS,
    LABELS_ACCEPTED,
    QUALITY,
    RELEASES,
    REVIEWS_REQUESTED,
)
from starlette.types import ASGIApp

from review_api.accounts import wiring as accounts_wiring
from review_api.accounts.throttle import FilesThrottle, Throttle
from review_api.care import wiring as care_wiring
from review_api.gold.calm import CalmFigures
from review_api.gold.wiring import Gold
from review_api.guidelines import wiring as guidelines_wiring
from review_api.http import MOST_BODY_BYTES, BodyLimit, Shell, install_error_answers
from review_api.items import api as items_api
from review_api.items import lineage_api
from review_api.items.admission import Admission
from review_api.items.blind import BlindChecks
from review_api.items.distress import Distressing
from review_api.items.ingestion import Ingestor
from review_api.items.listing import Listing
from review_api.items.store import ItemStore
from review_api.items.watch import LedgerLag, Watch, Watched
from review_api.ledger import api as ledger_api
from review_api.ledger.export import Export
from review_api.ledger.figures import Figures
from review_api.ledger.handlers import Ledger
from review_api.ledger.routes import Routes
from review_api.ledger.store import LedgerStore
from review_api.mine import api as mine_api
from review_api.mine.store import MyWork
from review_api.projects import api as projects_api
from review_api.projects.in_force import InForce
from review_api.projects.published import NewsLog, Published
from review_api.projects.publishing import ProjectPublisher
from review_api.projects.releases import ReleaseLog
from review_api.projects.store import ProjectStore, Specs
from review_api.quality import api as quality_api
from review_api.quality.agreement import Agreements
from review_api.quality.store import Decisions
from review_api.remarks import api as remarks_api
from review_api.remarks.comments import Comments
from review_api.remarks.store import RemarkStore
from review_api.rights import api as rights_api
from review_api.rights.eraser import Confirmations, Eraser
from review_api.rights.store import ErasureStore
from review_api.settings import ReviewSettings
from review_api.tasks import api as tasks_api
from review_api.tasks import queue_api, skills_api, take_over_api
from review_api.tasks.outbox import Outbox
from review_api.tasks.relay import Relay
from review_api.tasks.reordering import Reordering
from review_api.tasks.reorders import Reorders
from review_api.tasks.rereviewing import Rereviewing
from review_api.tasks.rereviews import Rereviews
from review_api.tasks.skills import SkillStore
from review_api.tasks.waiting import WaitingTasks
from review_api.tasks.withdrawal import Withdrawal
from review_api.tasks.withdrawing import Withdrawing
from review_api.web import api as web_api
from review_api.web.assets import Assets

Role = Literal["http", "ledger", "relay"]

ROLES: Final[tuple[Role, ...]] = ("http", "ledger", "relay")

LEDGER_GROUP: Final = "review-ledger"

# Every query goes by an index. A plan that was made while a table was small must not stay a scan of it
# once it is large.
_SESSION: Final = {"enable_seqscan": "off", "enable_bitmapscan": "off"}


def build(settings: ReviewSettings, roles: Collection[Role] = ROLES) -> Service:
    """Return the service with `roles`, not started; does no I/O."""
    context = Context.create("review-api", settings)
    database = Database(settings, "review", "review_api", _SESSION, reset=False)
    publisher = Publisher(settings)
    components: list[Component] = [database, publisher]
    app: ASGIApp = operations_app(context)
    if "http" in roles:
        app = _add_http(components, context, database, publisher, settings)
    if "relay" in roles:
        eraser = Eraser(ErasureStore(database), publisher)
        components.append(Relay(context, Outbox(database), publisher, settings, eraser.step))
        components.append(guidelines_wiring.campaigning(context, database, publisher))
    if "ledger" in roles:
        _add_ledger(components, context, database, publisher, settings)
    return Service(context, app, components)


def _add_ledger(
    components: list[Component],
    context: Context,
    database: Database,
    publisher: Publisher,
    settings: ReviewSettings,
) -> None:
    projects = ProjectStore(database)
    releases = ReleaseLog(projects, context.metrics, context.health)
    broker = kafka.broker(settings)
    ledger = Ledger(
        LedgerStore(database),
        projects,
        Specs(projects),
        publisher=publisher,
        metrics=context.metrics,
        health=context.health,
    )
    subscription = Subscription(
        context,
        broker,
        publisher,
        group=LEDGER_GROUP,
        topics=[ITEMS, LABELS_ACCEPTED, REVIEWS_REQUESTED],
        handle=ledger.handle,
        max_records=settings.ledger_batch_records,
        commit="by_handler",
        on_revoked=ledger.settled,
    )
    ledger.connect(subscription)
    confirmed = Subscription(
        context,
        broker,
        publisher,
        group="review-erasures",
        topics=[ERASURES_CONFIRMED],
        handle=Confirmations(ErasureStore(database)).handle,
    )
    withdrawing = Withdrawing(Withdrawal(database), projects, context.metrics)
    rereviewing = Rereviewing(Rereviews(database), context.metrics, context.health)
    reordering = Reordering(Reorders(database), projects, context.health)

    def hear_release(event: ReleasePublished) -> None:
        releases.hear(event)
        reordering.hear(event)

    news = NewsLog(Published(database), [withdrawing.hear, rereviewing.hear], context.health)
    followers: list[Component] = [
        Follower(settings, RELEASES, ReleasePublished, hear_release, health=context.health),
        Follower(settings, ACCEPTANCE, AcceptancePublished, news.hear, health=context.health),
        Follower(settings, QUALITY, QualityPublished, news.hear, health=context.health),
    ]
    components += [
        releases,
        rereviewing,
        news,
        *followers,
        reordering,
        subscription,
        confirmed,
        broker,
        ledger,
    ]


def _add_http(
    components: list[Component],
    context: Context,
    database: Database,
    publisher: Publisher,
    settings: ReviewSettings,
) -> ASGIApp:
    projects = ProjectStore(database)
    publishing = ProjectPublisher(projects, publisher, context.health)
    throttle = Throttle(context.metrics, settings)
    accounts = accounts_wiring.build(database, projects, throttle, settings)
    access = accounts.access
    components += [accounts.first_admin, publishing]
    in_force, decisions = InForce(projects), Decisions(database)
    skills = SkillStore(database)
    care = care_wiring.build(
        database, projects, in_force, access, context.metrics, most_seconds=settings.most_seconds_per_decision
    )
    gold = Gold.of(
        context, database, in_force, sensitivity=care.exposure, gates=[care.breaks], settings=settings
    )
    components += [care.attendance, gold.judge]
    remarks = RemarkStore(database)
    comments = Comments(remarks)
    figures, outbox, items = Figures(database), Outbox(database), ItemStore(database)
    admission = Admission(settings.ingest_concurrency, settings.ingest_most_lag, settings.ingest_most_outbox)
    lag = LedgerLag(context, publisher, LEDGER_GROUP)
    watched = Watched(figures, outbox, WaitingTasks(database), in_force)
    watch = Watch(context, lag, watched, admission, seconds=settings.watch_seconds)
    components += [lag, watch]
    ingestor = Ingestor(items, publisher, context.metrics, settings.trace_share)
    routers = [
        # First: a request is matched against one route after the other, and nearly all are for these.
        tasks_api.router(
            gold.desk,
            gold.hands,
            comments,
            attendance=care.attendance,
            access=access,
            claim_most=settings.claim_most,
        ),
        take_over_api.router(gold.hands, comments, access, settings.claim_most),
        skills_api.router(skills, in_force, access),
        projects_api.router(projects, publishing, figures, access, _prices(settings)),
        queue_api.router(
            watched.waiting, Rereviews(database), in_force, access, settings.most_seconds_per_decision
        ),
        lineage_api.router(items, Listing(database), projects, access),
        items_api.router(
            ingestor, admission, items, projects, access, idle_seconds=settings.ingest_idle_seconds
        ),
        remarks_api.router(gold.desk, remarks, comments, projects, access),
        mine_api.router(MyWork(database), access),
        ledger_api.router(
            figures,
            CalmFigures(figures, in_force),
            Export(database),
            Routes(database),
            published=Published(database),
            rereviews=Rereviews(database),
            projects=projects,
            blind=BlindChecks(database),
            distressing=Distressing(database),
            access=access,
        ),
        rights_api.router(ErasureStore(database), access),
        quality_api.router(
            Agreements(decisions, in_force, Distressing(database)),
            decisions,
            projects,
            access,
        ),
        *guidelines_wiring.routers(database, projects, publishing, gold.desk, access),
        *care.routers,
        *gold.routers(access, settings.claim_most),
        web_api.router(Assets.load()),
        *accounts.routers,
    ]
    return _application(context, routers, throttle)


def _prices(settings: ReviewSettings) -> Prices:
    return load_prices(Path(settings.prices_file).read_bytes()) if settings.prices_file else packaged_prices()


def _application(context: Context, routers: Sequence[APIRouter], throttle: Throttle) -> FastAPI:
    app = FastAPI(
        title="labelmill review-api",
        version="1",
        summary="Items in, review work out, labels and figures.",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere, which the security headers forbid
        redoc_url=None,
        # Flat, rather than included router by router: a request then matches against one list.
        routes=[*operations_routes(context), *(route for router in routers for route in router.routes)],
    )
    install_error_answers(app)
    streamed = {items_api.STREAMED, projects_api.STREAMED}
    app.add_middleware(BodyLimit, most_bytes=MOST_BODY_BYTES, streamed=streamed)
    app.add_middleware(FilesThrottle, throttle=throttle)
    app.add_middleware(Shell, metrics=context.metrics)
    return app
