"""A project's definition: the task, its voters, the policy and when to train; read from YAML."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import msgspec
import yaml

from labelmill.errors import InvalidProject
from labelmill.kinds import kind_named

_INFINITY = float("inf")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it was built in: the one in Python takes seconds for a megabyte."""
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class LabelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One option of the label set."""

    name: str
    description: str = ""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A few-shot example shown to the LLM."""

    content: str
    label: str


class VoterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One voter: `llm` asks a chat model, `student` is the trainer's model once a release has one.

    `permutations` asks the LLM that many times with the options in rotated order and averages, which
    cancels its preference for a letter. `answer` is what the LLM is to say: the letter of an option, or
    its name, which suits small models better and is read from the first token, so names must begin
    differently. Prices are US dollars per million tokens.
    """

    name: str
    type: Literal["llm", "student"]
    model: str = ""
    permutations: int = 1
    answer: Literal["letters", "words"] = "letters"
    examples: list[Example] = []
    input_usd_per_mtok: float = 0.0
    output_usd_per_mtok: float = 0.0


class AlwaysReview(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to people whatever the confidence: labels, and slices by metadata (name to values)."""

    labels: list[str] = []
    metadata: dict[str, list[str]] = {}


class PolicySpec(msgspec.Struct, frozen=True, kw_only=True):
    """When a label is accepted without a person."""

    accept_threshold: float = 0.9
    """Lowest pooled confidence that is accepted, 0 to 1."""
    cold_start_threshold: float = 0.95
    """The same before the first release, when only the LLM's raw confidence is known."""
    audit_rate: float = 0.02
    """Share of acceptable labels sent to a person blind."""
    audit_seed: str = "labelmill"
    disagreement: bool = True
    """Review items on which the voters' labels differ."""
    always_review: AlwaysReview = AlwaysReview()
    decisions_per_task: int = 1


class TrainingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """When the trainer makes a new student, and how sure it must be to answer alone."""

    trainer: Literal["student", "openai"] = "student"
    min_decisions: int = 100
    """Decisions before the first training."""
    every_corrections: int = 50
    """New corrections that start the next training."""
    max_age_hours: float = 24.0
    """New decisions older than this start one, however few they are."""
    holdout_share: float = 0.2
    """Share of decisions, drawn by item id, that is kept for evaluation and never trained on."""
    sure_accuracy: float = 0.95
    """The student answers without the LLM where its held-out accuracy is at least this."""
    base_model: str = ""
    """Model to fine-tune (trainer `openai`)."""


class ProjectSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The whole definition, as an operator writes it."""

    project: str
    title: str
    kind: str = "choice"
    labels: list[LabelSpec]
    guideline: str
    voters: list[VoterSpec]
    policy: PolicySpec = PolicySpec()
    training: TrainingSpec = TrainingSpec()
    minutes_per_decision: float = 0.25
    """Human time a decision takes, for estimates where no measured time is at hand."""
    usd_per_hour: float = 12.0
    """What a reviewer's hour costs."""

    @property
    def label_names(self) -> list[str]:
        return [label.name for label in self.labels]


def load_project(text: str | bytes) -> ProjectSpec:
    """Return the project in a YAML document.

    Raises:
        InvalidProject: with the field and what would be right.
    """
    try:
        _refuse_aliases(text)
        document = yaml.load(text, Loader=_LOADER)  # noqa: S506 (a safe loader, whichever there is)
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError) as error:
        raise InvalidProject(f"not YAML: {error}") from error
    return project_from(document)


def _refuse_aliases(text: str | bytes) -> None:
    """Raise InvalidProject where a text refers to another part of itself.

    A few lines of such references stand for gigabytes. It takes a look at the parser's events: libyaml's
    loader resolves them where no subclass can step in.
    """
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise InvalidProject(f"an alias (*{event.anchor}): write out what it stands for")


def project_from(document: Any) -> ProjectSpec:
    """Return the project in a decoded document (a mapping). Raises InvalidProject."""
    try:
        spec = msgspec.convert(document, ProjectSpec)
        encoded = msgspec.json.encode(spec)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidProject(str(error)) from error
    except UnicodeEncodeError as error:
        raise InvalidProject(f"a text holds half a surrogate pair: {error}") from error
    if b"\\u0000" in encoded:
        raise InvalidProject("a text holds a NUL character, which PostgreSQL cannot store: remove it")
    for problem in [*_unknown_fields(document, msgspec.to_builtins(spec)), *problems(spec)]:
        raise InvalidProject(problem)
    return spec


def _unknown_fields(document: Any, known: Any, place: str = "") -> Iterator[str]:
    """Name what the operator wrote and no field takes: likely a misspelling.

    Only people's documents are held to this. Events are read as leniently as all others, so that a build
    that is older than the project's newest field can still follow the project.
    """
    if isinstance(document, dict) and isinstance(known, dict):
        for name, value in document.items():
            if name not in known:
                yield f"{place}{name}: there is no such field; known are {', '.join(known)}"
            else:
                yield from _unknown_fields(value, known[name], f"{place}{name}.")
    elif isinstance(document, list) and isinstance(known, list):
        for number, (value, taken) in enumerate(zip(document, known, strict=True)):
            yield from _unknown_fields(value, taken, f"{place}{number}.")


def problems(spec: ProjectSpec) -> list[str]:
    """Return what the types cannot express and is wrong all the same, a sentence each."""
    training = spec.training
    checks = [
        (bool(_SLUG.fullmatch(spec.project)), "project: use a-z, 0-9, '-' and '_', at most 63 characters"),
        (2 <= len(spec.labels) <= 26, "labels: between 2 and 26 are needed (options are shown as letters)"),
        (len(set(spec.label_names)) == len(spec.labels), "labels: names must differ"),
        (all(name.strip() for name in spec.label_names), "labels: a name is empty"),
        (bool(spec.voters), "voters: at least one is needed"),
        (len({voter.name for voter in spec.voters}) == len(spec.voters), "voters: names must differ"),
        (all(0 <= rate <= 1 for rate in _rates(spec)), "policy and training: rates lie between 0 and 1"),
        (1 <= spec.policy.decisions_per_task <= 9, "policy.decisions_per_task: 1 to 9"),
        (
            set(spec.policy.always_review.labels) <= set(spec.label_names),
            "policy.always_review.labels: unknown",
        ),
        (training.trainer != "openai" or bool(training.base_model), "training.base_model is missing"),
        (training.min_decisions >= 1, "training.min_decisions: at least 1"),
        (training.every_corrections >= 1, "training.every_corrections: at least 1"),
        (training.max_age_hours > 0, "training.max_age_hours: more than 0"),
        (0 <= spec.minutes_per_decision < _INFINITY, "minutes_per_decision: 0 or more"),
        (0 <= spec.usd_per_hour < _INFINITY, "usd_per_hour: 0 or more"),
    ]
    return [
        *(message for holds, message in checks if not holds),
        *_kind_problems(spec.kind),
        *_voter_problems(spec),
    ]


def _kind_problems(kind: str) -> list[str]:
    try:
        kind_named(kind)
    except InvalidProject as error:
        return [str(error)]
    return []


def _rates(spec: ProjectSpec) -> list[float]:
    policy, training = spec.policy, spec.training
    return [
        policy.accept_threshold,
        policy.cold_start_threshold,
        policy.audit_rate,
        training.holdout_share,
        training.sure_accuracy,
    ]


def _voter_problems(spec: ProjectSpec) -> list[str]:
    names = set(spec.label_names)
    found = []
    for voter in spec.voters:
        if voter.type == "llm" and not voter.model:
            found.append(f"voters.{voter.name}: an llm voter needs a model")
        if not 1 <= voter.permutations <= len(names):
            found.append(f"voters.{voter.name}.permutations: 1 to the number of labels")
        if voter.answer == "words" and _one_begins_another(spec.label_names):
            found.append(f"voters.{voter.name}.answer: words need labels none of which begins another")
        if any(example.label not in names for example in voter.examples):
            found.append(f"voters.{voter.name}.examples: a label is not in the label set")
        if not all(0 <= price < _INFINITY for price in (voter.input_usd_per_mtok, voter.output_usd_per_mtok)):
            found.append(f"voters.{voter.name}: a price is 0 or more")
    return found


def _one_begins_another(names: list[str]) -> bool:
    folded = sorted(name.strip().casefold() for name in names)
    return any(later.startswith(earlier) for earlier, later in pairwise(folded))
