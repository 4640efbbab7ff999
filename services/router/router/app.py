"""Wiring of the router: what is made of what, and in which order it starts."""

from labelmill.events import AcceptancePublished, ProjectPublished, ReleasePublished
from labelmill.runtime import kafka
from labelmill.runtime.compacted import Follower
from labelmill.runtime.consumer import Subscription
from labelmill.runtime.http import operations_app
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.service import Context, Service
from labelmill.topics import ACCEPTANCE, LABELS_SCORED, PROJECTS, RELEASES

from router.handlers import Router
from router.settings import RouterSettings


def build(settings: RouterSettings) -> Service:
    """Return the service, not started; does no I/O."""
    context = Context.create("router", settings)
    metrics = context.metrics

    def show_release(event: ReleasePublished) -> None:
        metrics.release.labels(event.project).set(event.release.number)

    broker = kafka.broker(settings)
    publisher = Publisher(settings)
    projects = Follower(settings, PROJECTS, ProjectPublished, health=context.health)
    releases = Follower(settings, RELEASES, ReleasePublished, show_release, health=context.health)
    acceptances = Follower(settings, ACCEPTANCE, AcceptancePublished, health=context.health)
    router = Router(projects, acceptances, publisher, metrics)
    subscription = Subscription(
        context,
        broker,
        publisher,
        group="router",
        topics=[LABELS_SCORED],
        handle=router.handle,
        max_records=settings.router_batch_records,
    )
    return Service(
        context, operations_app(context), [publisher, projects, releases, acceptances, subscription, broker]
    )
