"""The price file, and filling in the prices that a project leaves out."""

import msgspec
import pytest
from labelmill.prices import InvalidPrices, load_prices, local_models, packaged_prices, priced
from labelmill.projects import ProjectSpec, load_project
from msgspec import UNSET

PRICES = load_prices(
    """
as_of: 2025-01-01
models:
  big: {input: 2.0, output: 8.0}
  big-mini: {input: 0.2, output: 0.8, batch_discount: 0.25}
"""
)


def spec_with(**voter: object) -> ProjectSpec:
    voters = [{"name": "v", "type": "llm", "model": "big", **voter}]
    project = {"project": "p", "title": "P", "labels": [{"name": "a"}, {"name": "b"}], "guideline": "G"}
    return load_project(msgspec.json.encode(project | {"voters": voters}))


def prices_of(**voter: object) -> tuple[float | None, float | None, float | None]:
    filled = priced(spec_with(**voter), PRICES).spec.voters[0]
    return filled.input_usd_per_mtok, filled.output_usd_per_mtok, filled.batch_discount


def test_prices_that_are_left_out_are_filled_in_and_stated_ones_stay() -> None:
    assert prices_of() == (2.0, 8.0, None)
    assert prices_of(input_usd_per_mtok=0.0) == (0.0, 8.0, None)
    assert prices_of(input_usd_per_mtok=1.0, output_usd_per_mtok=3.0) == (1.0, 3.0, None)


def test_a_version_of_a_model_costs_what_its_longest_name_costs() -> None:
    assert prices_of(model="big-2025-01-01") == (2.0, 8.0, None)
    assert prices_of(model="big-mini-2025") == (0.2, 0.8, None)
    assert PRICES.of("bigger") is None


def test_a_batch_voter_learns_its_discount() -> None:
    assert prices_of(mode="batch") == (2.0, 8.0, 0.5)
    assert prices_of(mode="batch", model="big-mini") == (0.2, 0.8, 0.25)
    assert prices_of(mode="batch", batch_discount=0.1) == (2.0, 8.0, 0.1)


def test_an_unknown_model_counts_as_free_and_that_is_said() -> None:
    found = priced(spec_with(model="mine"), PRICES)
    assert found.spec.voters[0].input_usd_per_mtok == 0.0
    assert found.warnings == ["no price known for model mine: its calls count as free"]
    stated = spec_with(model="mine", input_usd_per_mtok=0.0, output_usd_per_mtok=0.0)
    assert priced(stated, PRICES).warnings == []


def test_other_voters_have_no_price() -> None:
    assert prices_of(type="student", model="") == (UNSET, UNSET, None)


def test_filling_in_again_changes_nothing() -> None:
    once = priced(spec_with(mode="batch"), PRICES)
    assert priced(once.spec, PRICES) == once


def test_the_packaged_prices_are_in_order() -> None:
    prices = packaged_prices()
    assert prices.of("gpt-4o-mini-2024-07-18") == prices.models["gpt-4o-mini"]
    bundled = prices.of("SmolLM2-135M-Instruct")
    assert bundled == prices.models["smollm2"], "the name that the bundled model's server knows"
    own = spec_with(model="SmolLM2-135M-Instruct")
    assert priced(own, prices).warnings == []
    assert local_models(own, prices) == ["SmolLM2-135M-Instruct"]
    paid = spec_with(model="SmolLM2-135M-Instruct", input_usd_per_mtok=1.0, output_usd_per_mtok=1.0)
    assert local_models(paid, prices) == []
    assert local_models(spec_with(model="mine"), prices) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models: {}", "as_of"),
        ("as_of: 2025-01-01\nmodels: {m: {input: -1, output: 1}}", "models.m: a price is 0 or more"),
        ("as_of: 2025-01-01\nbatch_discount: 2", "batch_discount: between 0 and 1"),
        ("as_of: 2025-01-01\nmodels: {m: {input: 1}}", "output"),
        ("[", "not a price file"),
    ],
)
def test_a_bad_price_file_is_refused_with_the_field(text: str, said: str) -> None:
    with pytest.raises(InvalidPrices, match=said):
        load_prices(text)
