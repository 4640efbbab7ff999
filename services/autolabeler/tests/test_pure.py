"""The small pure modules: cost, Retry-After."""

import pytest
from autolabeler.retry_after import seconds_to_wait
from labelmill.cost import TokenPrices

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def test_costs_are_tokens_at_prices_per_million() -> None:
    assert TokenPrices(2.0, 10.0).cost_usd(500, 3) == pytest.approx(0.00103)
    assert TokenPrices(0.0, 0.0).cost_usd(500, 3) == 0.0


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
