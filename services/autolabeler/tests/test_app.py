"""The wiring, and the program's entry."""

from autolabeler.app import build
from autolabeler.handlers import Labeler
from autolabeler.settings import AutolabelerSettings


def test_is_built_without_touching_anything() -> None:
    service = build(
        AutolabelerSettings(kafka_bootstrap_servers="nowhere:1", openai_base_url="http://nowhere")
    )
    assert service.context.name == "autolabeler"
    assert isinstance(service.components[-1], Labeler), "it must stop before the broker"


def test_an_answerer_can_be_put_in(at_once) -> None:  # type: ignore[no-untyped-def]
    assert at_once in build(AutolabelerSettings(), at_once).components
