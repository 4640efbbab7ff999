"""The autolabeler with a voter that takes no time: run as `python -m benchmarks.zero_latency`.

Everything else is the real thing: prompts, keys, the durable vote cache, scores, offsets.
"""

from collections.abc import Sequence

from autolabeler.app import build
from autolabeler.settings import AutolabelerSettings
from autolabeler.voters import Answer, Question
from labelmill.runtime.service import main

_INPUT_TOKENS = 100


class AtOnce:
    """Answers every question the moment it is asked, the first option with 0.9."""

    at_once = True

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def answer(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return [_answer(len(question.answers)) for question in questions]


def _answer(options: int) -> Answer:
    return Answer((0.9, *[0.1 / (options - 1)] * (options - 1)), _INPUT_TOKENS, 1)


async def _serve() -> None:
    await build(AutolabelerSettings(), AtOnce()).run()


if __name__ == "__main__":
    main("autolabeler", AutolabelerSettings(), _serve)
