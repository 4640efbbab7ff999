"""Tokens to money. Pure."""

from typing import Final, NamedTuple

from msgspec import UNSET

from labelmill.projects import VoterSpec

VERBAL_TOKENS: Final = 48
"""Most new tokens for a label with a stated confidence; one is enough for the other methods."""
_TYPICAL_INPUT_TOKENS: Final = 500
"""Tokens of a prompt, by which voters' prices are compared: their order seldom hangs on it."""


class TokenPrices(NamedTuple):
    """A model's prices in US dollars per million tokens."""

    input: float
    output: float

    @classmethod
    def live(cls, voter: VoterSpec) -> "TokenPrices":
        """Return a voter's prices for live calls; those that nobody stated are 0."""
        stated = (voter.input_usd_per_mtok, voter.output_usd_per_mtok)
        return cls(*(0.0 if price is UNSET else price for price in stated))

    @classmethod
    def of(cls, voter: VoterSpec) -> "TokenPrices":
        """Return what a voter's tokens cost in its mode: those of a batch have the provider's discount."""
        prices = cls.live(voter)
        if voter.mode != "batch":
            return prices
        share = 1 - (voter.batch_discount or 0.0)
        return cls(prices.input * share, prices.output * share)

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """Return what so many tokens cost, in US dollars, to a billionth."""
        return round((input_tokens * self.input + output_tokens * self.output) / 1e6, 9)


def typical_cost(voter: VoterSpec) -> float:
    """Return what asking a voter about an item costs, in US dollars, for comparison with other voters."""
    calls = voter.samples if voter.method == "samples" else voter.permutations
    output_tokens = VERBAL_TOKENS if voter.method == "verbal" else 1
    return calls * TokenPrices.of(voter).cost_usd(_TYPICAL_INPUT_TOKENS, output_tokens)
