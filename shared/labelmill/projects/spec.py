"""A project's definition as types: the task, its voters, the policy, the budget, training, review."""

from typing import Literal

import msgspec

from labelmill.projects.review import ReviewSpec


class LabelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One option of the label set."""

    name: str
    description: str = ""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A few-shot example shown to the LLM."""

    content: str
    label: str


class FunctionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One labeling function: it votes for a label where its rule matches, and abstains elsewhere.

    Exactly one rule is given. `keywords` and `regex` map a label to words or to RE2 patterns looked for in
    the content, without regard to case; `lookup` maps a value of the metadata field `field` to a label;
    `python` names a function, `module:function`, in the project's folder of labeling functions: it takes
    `(content: str, metadata: dict[str, str])` and returns a label or None.
    """

    keywords: dict[str, list[str]] = {}
    regex: dict[str, list[str]] = {}
    field: str = ""
    lookup: dict[str, str] = {}
    python: str = ""
    accuracy: float = 0.7
    """How often it is right where it votes, as its author guesses; releases measure it."""


class VoterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One voter: `llm` asks a chat model, `student` is the trainer's model once a release has one,
    `function` is a labeling function.

    `method` is how an LLM states its confidence: `logprobs` reads the distribution over the first token,
    `samples` asks `samples` times with seeds of their own and counts, `verbal` asks for a label with a word
    for how sure it is. `permutations` asks that many times with the options in rotated order and averages,
    which cancels a preference for a letter. `answer` is what the LLM is to say: the letter of an option, or
    its name, which suits small models better and is read from the first token, so names must begin
    differently. `similar_examples` adds that many decided items to the prompt, those nearest to the item.
    `mode: batch` sends prompts through the provider's batch API: later, at its discount.

    Prices are US dollars per million tokens, of live calls; where none is given, the price file's for the
    model. `batch_discount` is the share of them that a batch saves, 0 to 1; also the price file's.
    """

    name: str
    type: Literal["llm", "student", "function"]
    model: str = ""
    method: Literal["logprobs", "samples", "verbal"] = "logprobs"
    samples: int = 5
    permutations: int = 1
    answer: Literal["letters", "words"] = "letters"
    examples: list[Example] = []
    similar_examples: int = 0
    mode: Literal["live", "batch"] = "live"
    function: FunctionSpec | None = None
    input_usd_per_mtok: float | msgspec.UnsetType = msgspec.UNSET
    output_usd_per_mtok: float | msgspec.UnsetType = msgspec.UNSET
    batch_discount: float | None = None


class AlwaysReview(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to people whatever the confidence.

    `labels` the machine's labels, `metadata` slices (name to values), `sensitivity` values of the metadata
    field `sensitivity`, `expert_labels` labels that only an expert may give, `subjective` everything.
    """

    labels: list[str] = []
    metadata: dict[str, list[str]] = {}
    sensitivity: list[str] = []
    expert_labels: list[str] = []
    subjective: bool = False


class BudgetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A hard cap on what a project's voters may spend in a day (UTC), however many workers there are.

    `when_spent`: `park` leaves items in Kafka until the next day, `people` sends them to review without the
    voters that cost, `cheaper` does without the dearest voters first and lets the policy decide: the dearest
    may spend four fifths of the cap, the cheapest all of it, those between what lies between.
    """

    usd_per_day: float | None = None
    when_spent: Literal["park", "people", "cheaper"] = "park"


class PolicySpec(msgspec.Struct, frozen=True, kw_only=True):
    """When a label is accepted without a person."""

    accept_threshold: float = 0.9
    """Lowest pooled confidence that is accepted, 0 to 1. Not used with a `target_error`."""
    cold_start_threshold: float = 0.95
    """The same before the first release, when only the LLM's raw confidence is known."""
    target_error: float | None = None
    """The promise: the share of accepted labels that may be wrong, 0 to 0.5. Evidence sets the threshold."""
    confidence: float = 0.95
    """The probability with which the promise holds, over all times it is looked at."""
    per_label: bool = False
    """Promise the target for each label by itself."""
    audit_rate: float = 0.02
    """Share of acceptable labels sent to a person blind; with a `target_error` the least of it."""
    max_audit_rate: float = 0.2
    """The most of it, while the promise still needs evidence."""
    audit_raters: int = 1
    """How many people decide an audit; their majority is its truth."""
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
    budget: BudgetSpec = BudgetSpec()
    training: TrainingSpec = TrainingSpec()
    review: ReviewSpec = ReviewSpec()
    minutes_per_decision: float = 0.25
    """Human time a decision takes, for estimates where no measured time is at hand."""
    usd_per_hour: float = 12.0
    """What a reviewer's hour costs."""

    @property
    def label_names(self) -> list[str]:
        return [label.name for label in self.labels]
