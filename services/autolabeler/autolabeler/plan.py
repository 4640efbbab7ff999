"""What is to be done for an item of a project: its definition and its release, made ready. Pure."""

from dataclasses import dataclass

from labelmill import student
from labelmill.calibration import Calibrations
from labelmill.errors import InvalidProject, InvalidRecord
from labelmill.events import ProjectPublished
from labelmill.kinds import kind_named
from labelmill.pooling import Pool
from labelmill.projects import ProjectSpec
from labelmill.releases import Release, StudentModel

from autolabeler.cost import Prices
from autolabeler.prompt import Template, templates


@dataclass(frozen=True, slots=True)
class LlmVoter:
    """An LLM voter with its prompts, one a permutation of the options."""

    name: str
    model: str
    templates: tuple[Template, ...]
    prices: Prices


@dataclass(frozen=True, slots=True)
class StudentVoter:
    """The release's student under the name the project gives it."""

    name: str
    version: str
    model: StudentModel


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of a project with one release."""

    project: str
    kind_name: str
    labels: tuple[str, ...]
    guideline_version: int
    release: int
    llm: tuple[LlmVoter, ...]
    student: StudentVoter | None
    pool: Pool
    calibrations: Calibrations


def plan_of(
    published: ProjectPublished, release: Release | None, *, tokens_field: str = "max_tokens"
) -> Plan:
    """Return the plan for a project's items under the release in force.

    Raises:
        InvalidRecord: `unknown_kind`, if this build does not know the project's kind of label;
            `invalid_student`, if the release's student does not fit the project.
    """
    spec = published.spec
    try:
        kind = kind_named(spec.kind)
    except InvalidProject as error:
        raise InvalidRecord("unknown_kind", f"project {published.project}: {error}") from error
    return Plan(
        project=published.project,
        kind_name=spec.kind,
        labels=tuple(spec.label_names),
        guideline_version=published.guideline_version,
        release=release.number if release else 0,
        llm=_llm_voters(spec, release, tokens_field),
        student=_student(spec, release),
        pool=Pool(kind, spec.label_names, release.reliabilities if release else {}),
        calibrations=Calibrations(release.calibrators if release else []),
    )


def _llm_voters(spec: ProjectSpec, release: Release | None, tokens_field: str) -> tuple[LlmVoter, ...]:
    finetuned = release.finetuned if release else None
    voters = []
    for voter in (voter for voter in spec.voters if voter.type == "llm"):
        model = finetuned.model if finetuned and finetuned.voter == voter.name else voter.model
        prompts = templates(spec, voter, model, tokens_field)
        voters.append(LlmVoter(voter.name, model, prompts, Prices.of(voter)))
    return tuple(voters)


def _student(spec: ProjectSpec, release: Release | None) -> StudentVoter | None:
    name = next((voter.name for voter in spec.voters if voter.type == "student"), None)
    if name is None or release is None or release.student is None:
        return None
    student.check(release.student, spec.label_names)
    return StudentVoter(name, str(release.number), release.student)
