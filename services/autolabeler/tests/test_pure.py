"""The small pure modules: cost, cascade, Retry-After."""

import pytest
from autolabeler.cascade import is_enough
from autolabeler.cost import Prices
from autolabeler.retry_after import seconds_to_wait
from labelmill.kinds import Opinion

SURE = Opinion("a", 0.95, {"a": 0.95, "b": 0.05})
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def test_costs_are_tokens_at_prices_per_million() -> None:
    assert Prices(2.0, 10.0).cost_usd(500, 3) == pytest.approx(0.00103)
    assert Prices(0.0, 0.0).cost_usd(500, 3) == 0.0


@pytest.mark.parametrize(
    ("sure_at", "has_llm", "enough"),
    [(0.9, True, True), (0.95, True, True), (0.96, True, False), (1.1, True, False), (1.1, False, True)],
)
def test_the_student_is_enough_where_it_is_sure_or_alone(sure_at: float, has_llm: bool, enough: bool) -> None:
    assert is_enough(SURE, sure_at, has_llm=has_llm) is enough


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_reads_every_form_of_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_to_wait(headers, NOW) == seconds
