"""Ages by the SLA, and how long a queue lasts."""

import pytest
from review_api.tasks import pace

HOUR = 3600.0


def speed(settled: float = 0, arrivals: float = 0, seconds: float = 15) -> pace.Pace:
    return pace.Pace(0, 0, settled, arrivals, 8, 1, seconds, True)


def test_the_sla_is_an_edge_of_the_histogram() -> None:
    assert pace.edges(None) == list(pace.AGES)
    assert pace.edges(HOUR) == list(pace.AGES), "it is one already"
    edges = pace.edges(2 * HOUR)
    assert edges == sorted({*pace.AGES, 2 * HOUR})
    bins = pace.histogram(edges, range(len(edges) + 1), 2 * HOUR)
    assert [one.late for one in bins].index(True) == edges.index(2 * HOUR) + 1
    assert (bins[0].least, bins[-1].most) == (0, None)
    assert sum(one.tasks for one in bins if one.late) == sum(range(edges.index(2 * HOUR) + 1, len(edges) + 1))
    assert not any(one.late for one in pace.histogram(pace.AGES, range(8), None))


def test_the_forecast() -> None:
    found = pace.forecast(240, 1, speed(settled=3, arrivals=1), 2)
    assert found == pace.Forecast(60.0, 2.0, 240 * 15 / (2 * HOUR), 0.25, 2)
    assert pace.forecast(240, 3, speed(), None).minutes == 180
    assert pace.forecast(240, 3, speed(), None).within_hours == pace.WORKDAY_HOURS


def test_a_burst_is_no_stream_that_goes_on_for_ever() -> None:
    assert pace.looked_back_hours(None) == pace.WORKDAY_HOURS
    assert (pace.looked_back_hours(0.1), pace.looked_back_hours(48), pace.looked_back_hours(1000)) == (
        1,
        48,
        168,
    )
    burst = 1000 / (pace.looked_back_hours(None) * 60)
    found = pace.forecast(1000, 1, speed(arrivals=burst), None)
    assert found.people_needed == pytest.approx(1000 * 15 / (8 * HOUR))
    assert found.people_for_arrivals == pytest.approx(found.people_needed), "the same once more, at most"


@pytest.mark.parametrize(
    ("tasks", "settled", "arrivals", "left"),
    [(0, 0, 5, 0.0), (10, 0, 0, None), (10, 1, 1, None), (10, 1, 2, None), (60, 2, 1, 1.0)],
)
def test_a_queue_that_does_not_shrink_has_no_end(
    tasks: int, settled: float, arrivals: float, left: float | None
) -> None:
    assert pace.forecast(tasks, 1, speed(settled, arrivals), 1).hours_left == left


def test_no_pace_ends_what_nobody_may_take() -> None:
    found = pace.forecast(240, 1, speed(settled=3, arrivals=1), 2, out_of_reach=120)
    assert found.hours_left == 1.0, "of what somebody may take"
    assert found.minutes == 60.0, "of all that waits"
    assert pace.forecast(240, 1, speed(), 2, out_of_reach=240).hours_left == 0.0
