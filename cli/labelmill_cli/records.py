"""A project's recorded routes, fetched once and read twice."""

from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import IO, Any, Final

import msgspec
from labelmill.errors import InvalidRecord
from labelmill.events import ProjectPublished
from labelmill.projects import ProjectSpec

from labelmill_cli.api import Api
from labelmill_cli.errors import CliError
from labelmill_cli.output import err
from labelmill_cli.replaying.recorded import DECODER, is_withheld
from labelmill_cli.replaying.replay import Replay, replayed
from labelmill_cli.replaying.survey import Survey
from labelmill_cli.replaying.tally import Rates
from labelmill_cli.sources import progress_bar

_EVERY_LINES: Final = 500


class NothingRecorded(CliError):
    """A project of which nothing was routed yet."""


def replay_of(api: Api, project: str, spec: ProjectSpec) -> Replay:
    """Return what the policy in `spec` would have done with all that a project recorded.

    The routes go through a file on disk: they may be more than memory holds, and are read twice.

    Raises:
        NothingRecorded: if nothing was routed yet.
        CliError: if `spec` lacks a label that was recorded.
    """
    status = api.status(project)
    in_force = _published(api.project(project)).spec
    with TemporaryFile() as kept:
        survey = _fetched(api, project, kept, expected=status.get("items"))
        versions = {number: _published(api.project(project, number)) for number in sorted(survey.versions)}
        minutes = status.get("human_seconds", 0.0) / 60.0 / survey.decisions if survey.decisions else 0.0
        rates = Rates(minutes or in_force.minutes_per_decision, in_force.usd_per_hour)
        tried = ProjectPublished(
            project=project,
            version=max(versions) + 1,
            guideline_version=1,
            spec=msgspec.structs.replace(spec, project=project),
        )
        kept.seek(0)
        lines = map(DECODER.decode, _counted(kept, "replaying", survey.routes))
        try:
            return replayed(lines, survey, tried, versions, rates)
        except InvalidRecord as error:
            raise CliError(
                f"the file does not fit what {project} recorded: {error.detail}; give it the same labels"
            ) from error


def _fetched(api: Api, project: str, kept: IO[bytes], expected: int | None) -> Survey:
    survey = Survey()
    for line in _counted(api.routes(project), "reading routes", expected):
        if is_withheld(line):
            survey.withheld += 1
            continue
        survey.add(DECODER.decode(line))
        kept.write(line + b"\n")
    if survey.withheld:
        err.print(
            f"{survey.withheld:,} routes are left out: you may be asked about their items in a blind check; "
            "an account that does not review is told all",
            soft_wrap=True,
        )
    if not survey.routes:
        raise NothingRecorded(f"project {project} has no routes yet: there is nothing to replay")
    return survey


def _counted(lines: Iterable[bytes], doing: str, expected: int | None) -> Iterator[bytes]:
    """Yield `lines` under a progress bar."""
    with progress_bar() as progress:
        task = progress.add_task(doing, total=expected, counts="")
        for number, line in enumerate(lines, 1):
            yield line
            if number % _EVERY_LINES == 0:
                progress.update(task, completed=number, counts=f"{number:,} routes")


def _published(answer: dict[str, Any]) -> ProjectPublished:
    return msgspec.convert(answer, ProjectPublished)
