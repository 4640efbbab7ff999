"""What models cost: a file of list prices, and filling in the prices that a project leaves out. Pure.

The packaged file holds list prices as of a day; an operator's own file takes its place.
"""

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

import msgspec
import yaml

from labelmill.errors import LabelmillError
from labelmill.projects import ProjectSpec, VoterSpec

_MARKS: Final = frozenset("-:@./")
"""What may follow a model's family name in the name of one of its versions."""
_INFINITY: Final = float("inf")


class InvalidPrices(LabelmillError):
    """A price file cannot be used; the message names the field."""


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens, and the share that the provider's batch API saves, 0 to 1 (None: the
    file's)."""

    input: float
    output: float
    batch_discount: float | None = None


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price file. `batch_discount` is for models that say nothing of their own."""

    as_of: date
    batch_discount: float = 0.5
    models: dict[str, ModelPrice] = {}

    def of(self, model: str) -> ModelPrice | None:
        """Return a model's price: its own, or that of the longest name it begins with; None if unknown."""
        fitting = [name for name in self.models if _belongs(model, name)]
        return self.models[max(fitting, key=len)] if fitting else None

    def discount(self, model: str) -> float:
        """Return the share of the price that a batch saves."""
        price = self.of(model)
        own = price.batch_discount if price else None
        return self.batch_discount if own is None else own


class Priced(NamedTuple):
    """A project whose LLM voters all have prices, and what is to be said about how they came by them."""

    spec: ProjectSpec
    warnings: list[str]


def load_prices(text: str | bytes) -> Prices:
    """Return the prices in a YAML document. Raises InvalidPrices."""
    try:
        prices = msgspec.convert(yaml.safe_load(text), Prices)
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError) as error:
        raise InvalidPrices(f"not a price file: {error}") from error
    for model, price in prices.models.items():
        if not (0 <= price.input < _INFINITY and 0 <= price.output < _INFINITY):
            raise InvalidPrices(f"models.{model}: a price is 0 or more")
    discounts = [prices.batch_discount, *(price.batch_discount or 0.0 for price in prices.models.values())]
    if not all(0 <= discount <= 1 for discount in discounts):
        raise InvalidPrices("batch_discount: between 0 and 1")
    return prices


@cache
def packaged_prices() -> Prices:
    """Return the list prices that come with labelmill."""
    return load_prices(files("labelmill").joinpath("prices.yaml").read_bytes())


def priced(spec: ProjectSpec, prices: Prices) -> Priced:
    """Return the project with the prices its LLM voters leave out; those it states stay as they are.

    A voter whose model has no known price gets 0, with a warning: its calls count as free.
    """
    warnings: list[str] = []
    voters = [_priced(voter, prices, warnings) if voter.type == "llm" else voter for voter in spec.voters]
    return Priced(msgspec.structs.replace(spec, voters=voters), warnings)


def local_models(spec: ProjectSpec, prices: Prices) -> list[str]:
    """Return the models of a project that cost nothing by the token, for they run on one's own machine."""
    llms = [voter for voter in spec.voters if voter.type == "llm"]
    return sorted({voter.model for voter in llms if _is_free(prices.of(voter.model), voter)})


def _is_free(known: ModelPrice | None, voter: VoterSpec) -> bool:
    """Return whether a voter leaves its price to the list, and the list says that there is none."""
    stated = (voter.input_usd_per_mtok, voter.output_usd_per_mtok)
    return known is not None and (known.input, known.output) == (0.0, 0.0) and set(stated) == {msgspec.UNSET}


def _priced(voter: VoterSpec, prices: Prices, warnings: list[str]) -> VoterSpec:
    known = prices.of(voter.model)
    stated = (voter.input_usd_per_mtok, voter.output_usd_per_mtok)
    if known is None and msgspec.UNSET in stated:
        warnings.append(f"no price known for model {voter.model}: its calls count as free")
    filled = known or ModelPrice(input=0.0, output=0.0)
    discount = voter.batch_discount
    if discount is None and voter.mode == "batch":
        discount = prices.discount(voter.model)
    return msgspec.structs.replace(
        voter,
        input_usd_per_mtok=filled.input if stated[0] is msgspec.UNSET else stated[0],
        output_usd_per_mtok=filled.output if stated[1] is msgspec.UNSET else stated[1],
        batch_discount=discount,
    )


def _belongs(model: str, name: str) -> bool:
    """Names are compared without regard to case: a server may call a model as its files are called."""
    model, name = model.lower(), name.lower()
    return model.startswith(name) and (len(model) == len(name) or model[len(name)] in _MARKS)
