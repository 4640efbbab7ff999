"""Counting calls, tokens and money, with the metrics' labels looked up once a voter."""

from typing import Protocol

from labelmill.cost import TokenPrices
from labelmill.runtime.metrics import Metrics

from autolabeler.plan import LlmVoter
from autolabeler.voters import Answer


class Priced(Protocol):
    """A voter, as far as counting what it costs goes."""

    @property
    def name(self) -> str: ...

    @property
    def prices(self) -> TokenPrices: ...


class VoterMeter:
    """The counters of one voter of one project."""

    def __init__(self, metrics: Metrics, project: str, voter: Priced) -> None:
        self.project = project
        self.voter = voter.name
        self.prices = voter.prices
        self._errors = metrics.llm_errors
        self._calls = metrics.llm_calls.labels(project, voter.name)
        self._input = metrics.llm_tokens.labels(project, voter.name, "input")
        self._output = metrics.llm_tokens.labels(project, voter.name, "output")
        self._cost = metrics.llm_cost.labels(project, voter.name)
        self._seconds = metrics.llm_seconds.labels(voter.name)

    def answered(self, answer: Answer, seconds: float | None = None) -> None:
        """Count a call that was paid for and, where it was a call, its latency."""
        self._calls.inc()
        self._input.inc(answer.input_tokens)
        self._output.inc(answer.output_tokens)
        self._cost.inc(self.prices.cost_usd(answer.input_tokens, answer.output_tokens))
        if seconds is not None:
            self._seconds.observe(seconds)

    def answered_at_once(self, answers: list[Answer]) -> None:
        """Count a whole batch."""
        self._calls.inc(len(answers))
        input_tokens = sum(answer.input_tokens for answer in answers)
        output_tokens = sum(answer.output_tokens for answer in answers)
        self._input.inc(input_tokens)
        self._output.inc(output_tokens)
        self._cost.inc(self.prices.cost_usd(input_tokens, output_tokens))

    def failed(self, error: str) -> None:
        """Count a call that failed."""
        self._errors.labels(self.voter, error).inc()


class Meters:
    """The meters of all voters."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._meters: dict[tuple[str, str], tuple[LlmVoter, VoterMeter]] = {}

    def of(self, project: str, voter: LlmVoter) -> VoterMeter:
        """Return the meter of a project's voter, at its present prices."""
        known = self._meters.get((project, voter.name))
        if known is None or known[0] is not voter:
            known = self._meters[project, voter.name] = (voter, VoterMeter(self._metrics, project, voter))
        return known[1]
