"""What is to be done for an item of a project: its definition and its release, made ready. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from labelmill import student
from labelmill.acceptance import Acceptance
from labelmill.calibration import Calibrations
from labelmill.cost import TokenPrices, typical_cost
from labelmill.errors import InvalidProject, InvalidRecord
from labelmill.events import ProjectPublished, Vote
from labelmill.kinds import kind_named
from labelmill.policy import audit_draw
from labelmill.pooling import Pool
from labelmill.projects import PolicySpec, ProjectSpec
from labelmill.prompts import LETTERS
from labelmill.releases import Release, StudentModel

from autolabeler.cascade import Bar, bar_of, by_price
from autolabeler.functions import FunctionVoter, function_voter
from autolabeler.prompt import Template, templates
from autolabeler.similar import Shots, shots_of
from autolabeler.suspicion import Suspicion, suspicion_of
from autolabeler.voters import Method


@dataclass(frozen=True, slots=True)
class LlmVoter:
    """An LLM voter with its prompts, one a call: a permutation of the options, or a sample.

    `price` is what asking it costs, for comparison; `similar` how many of the release's shots it is shown.
    With `in_batches` its questions go through the provider's batch API, at `prices` that know the discount.
    """

    name: str
    model: str
    method: Method
    templates: tuple[Template, ...]
    prices: TokenPrices
    price: float
    similar: int
    in_batches: bool


@dataclass(frozen=True, slots=True)
class StudentVoter:
    """The release's student under the name the project gives it."""

    name: str
    version: str
    model: StudentModel


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of a project with one release.

    `tiers` are the numbers of the LLM voters, those of one price together, the cheapest first. `similar` is
    how many of the release's `shots` are wanted for an item. `audit_rate` is 0 where no error is promised.
    """

    project: str
    kind_name: str
    labels: tuple[str, ...]
    guideline_version: int
    release: int
    llm: tuple[LlmVoter, ...]
    student: StudentVoter | None
    pool: Pool
    calibrations: Calibrations
    tiers: tuple[tuple[int, ...], ...]
    functions: tuple[FunctionVoter, ...]
    shots: Shots | None
    similar: int
    bar: Bar
    audit_rate: float
    audit_seed: str
    suspicion: Suspicion | None

    @property
    def is_plain(self) -> bool:
        """Whether nothing comes before the LLM."""
        return self.student is None and not self.functions and not self.similar

    def asks_all(self, item_id: str) -> bool:
        """Return whether every voter is asked about an item, whatever the others say: a blind audit is
        evidence for later releases too, and these may want the votes that this one could do without."""
        return self.audit_rate > 0 and audit_draw(self.audit_seed, self.project, item_id) < self.audit_rate

    def is_enough(self, item_id: str, votes: Sequence[Vote]) -> bool:
        """Return whether the votes at hand are so confident that no dearer one can change the decision."""
        if not votes or self.asks_all(item_id):
            return False
        opinion = self.pool(votes)
        confidence, calibrated = self.calibrations(votes, opinion.label, opinion.confidence)
        return self.bar.is_reached(opinion.label, confidence, calibrated=calibrated)


def audit_rate_of(policy: PolicySpec, acceptance: Acceptance | None) -> float:
    """Return the rate at which items are drawn as evidence for a promise; 0 where none is made."""
    if policy.target_error is None:
        return 0.0
    return acceptance.audit_rate if acceptance else 1.0


def plan_of(
    published: ProjectPublished,
    release: Release | None,
    acceptance: Acceptance | None = None,
    *,
    tokens_field: str = "max_tokens",
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
    number = release.number if release else 0
    llm = _llm_voters(spec, release, tokens_field)
    shots = shots_of(release, spec.label_names) if any(voter.similar for voter in llm) else None
    return Plan(
        project=published.project,
        kind_name=spec.kind,
        labels=tuple(spec.label_names),
        guideline_version=published.guideline_version,
        release=number,
        llm=llm,
        student=_student(spec, release),
        pool=Pool.of(kind, spec.label_names, release),
        calibrations=Calibrations(release.calibrators if release else []),
        tiers=by_price([voter.price for voter in llm]),
        functions=tuple(function_voter(v, spec.label_names) for v in spec.voters if v.type == "function"),
        shots=shots,
        similar=max(voter.similar for voter in llm) if shots else 0,
        bar=bar_of(spec.policy, number, acceptance),
        audit_rate=audit_rate_of(spec.policy, acceptance),
        audit_seed=spec.policy.audit_seed,
        suspicion=_suspicion(spec),
    )


def _llm_voters(spec: ProjectSpec, release: Release | None, tokens_field: str) -> tuple[LlmVoter, ...]:
    finetuned = release.finetuned if release else None
    voters = []
    for voter in (voter for voter in spec.voters if voter.type == "llm"):
        model = finetuned.model if finetuned and finetuned.voter == voter.name else voter.model
        prompts = templates(spec, voter, model, tokens_field)
        prices, price = TokenPrices.of(voter), typical_cost(voter)
        similar, in_batches = voter.similar_examples, voter.mode == "batch"
        voters.append(LlmVoter(voter.name, model, voter.method, prompts, prices, price, similar, in_batches))
    return tuple(voters)


def _suspicion(spec: ProjectSpec) -> Suspicion | None:
    asked = [voter for voter in spec.voters if voter.type == "llm"]
    shows_letters = any(voter.answer == "letters" for voter in asked)
    letters = LETTERS[: len(spec.labels)] if shows_letters else ""
    return suspicion_of(tuple(spec.label_names), letters) if asked else None


def _student(spec: ProjectSpec, release: Release | None) -> StudentVoter | None:
    name = next((voter.name for voter in spec.voters if voter.type == "student"), None)
    if name is None or release is None or release.student is None:
        return None
    student.check(release.student, spec.label_names)
    return StudentVoter(name, str(release.number), release.student)
