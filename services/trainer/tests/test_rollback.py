import pytest
from labelmill.releases import Evaluation, Release
from trainer.errors import NothingToRestore
from trainer.rollback import Published, restored, to_restore


def history(*restores: int | None) -> list[Published]:
    return [Published(number, of) for number, of in enumerate(restores, 1)]


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        (history(None, None), 1),
        (history(None, None, None), 2),
        (history(None, None, None, 2), 1),
        (history(None, None, 1, None), 2),
    ],
)
def test_it_goes_back_one_content_at_a_time(releases: list[Published], expected: int) -> None:
    assert to_restore(releases) == expected


@pytest.mark.parametrize("releases", [history(), history(None), history(None, None, 1)])
def test_there_may_be_nothing_to_go_back_to(releases: list[Published]) -> None:
    with pytest.raises(NothingToRestore):
        to_restore(releases)


def test_a_restored_release_gets_the_next_number() -> None:
    evaluation = Evaluation(items=1, accuracy=1.0, present_accuracy=0.5)
    old = Release(number=1, dataset="d", decisions=9, evaluation=evaluation, created_at=5)
    back = restored(old, 4, 77)
    assert (back.number, back.created_at, back.dataset) == (5, 77, "d")
