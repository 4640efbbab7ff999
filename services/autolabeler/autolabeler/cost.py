"""Tokens to money. Pure."""

from typing import NamedTuple

from labelmill.projects import VoterSpec


class Prices(NamedTuple):
    """A model's prices in US dollars per million tokens."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float

    @classmethod
    def of(cls, voter: VoterSpec) -> "Prices":
        return cls(voter.input_usd_per_mtok or 0.0, voter.output_usd_per_mtok or 0.0)

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float:
        """Return what so many tokens cost, in US dollars, to a billionth."""
        micro_usd = input_tokens * self.input_usd_per_mtok + output_tokens * self.output_usd_per_mtok
        return round(micro_usd / 1e6, 9)
