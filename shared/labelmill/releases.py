"""What the trainer publishes: a numbered release, complete in itself, as plain data (nothing unpickled)."""

from typing import Literal

import msgspec

from labelmill.projects import Example


class StudentModel(msgspec.Struct, frozen=True, kw_only=True):
    """Multinomial logistic regression on a text embedding.

    `weights` is a float32 little-endian matrix of shape (classes, dimensions), row-major; `bias` has
    shape (classes,). Probabilities are softmax((weights @ embedding + bias) / temperature).
    `sure_at`: at or above this confidence the student answers without the LLM; above 1 means never.
    """

    embedder: str
    dimensions: int
    classes: list[str]
    weights: bytes
    bias: bytes
    temperature: float
    sure_at: float


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """How a candidate did on held-out decisions, beside the release then in force."""

    items: int
    accuracy: float
    present_accuracy: float
    log_loss: float = 0.0
    sure_share: float = 0.0
    """Share of the held-out items on which the student is sure."""


class FineTunedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's fine-tuned model, which replaces the model of one LLM voter."""

    voter: str
    model: str


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """How far a voter is to be believed.

    `accuracy` is the probability that its label is right where it votes (one-coin model). `weight`, 0 to 1,
    multiplies its log-odds: voters that say the same thing for the same reason share one weight between them.
    """

    accuracy: float
    weight: float = 1.0


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What one set of voters names too often or too seldom: vector scaling (Guo et al. 2017) of their pool.

    The pooled log-probability of each label is multiplied by `scale` (0 or more), and the label's bias, in
    nats, is added; a label without one has 0. `voters` as in `Calibrator`: it is for these together only.
    """

    voters: list[str]
    scale: float
    biases: dict[str, float]
    decisions: int = 0
    """How many decisions it was fitted on."""


class Calibrator(msgspec.Struct, frozen=True, kw_only=True):
    """Turns the pooled confidence of one set of voters into the probability of being right.

    `voters` are the names, sorted, of those who voted; labeling functions together are one, `(functions)`
    (see `pooling.voter_set`). `platt`: sigmoid(slope * logit(confidence) + offset).
    `isotonic`: linear between the knots (`x` to `y`, both rising), level beyond them. `offsets` are added to
    the logit of the result where the label is the one named (shrunk towards 0 where data are few).
    """

    voters: list[str]
    kind: Literal["platt", "isotonic"]
    slope: float = 1.0
    offset: float = 0.0
    x: list[float] = []
    y: list[float] = []
    offsets: dict[str, float] = {}
    decisions: int = 0
    """How many decisions it was fitted on."""


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """A decided item, shown to an LLM for items near it; `vector`: float32, little-endian, unit length."""

    example: Example
    vector: bytes


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A versioned bundle of everything learned for a project. Numbers grow by one per promotion."""

    number: int
    dataset: str
    """Version of the immutable dataset it was trained on."""
    decisions: int
    evaluation: Evaluation
    created_at: int
    student: StudentModel | None = None
    finetuned: FineTunedModel | None = None
    reliabilities: dict[str, Reliability] = {}
    """By voter name; a voter that is missing is believed as it is. Empty: the votes' mean is the pool."""
    calibrators: list[Calibrator] = []
    """By set of voters; a set that is missing is not calibrated, so a promise accepts nothing from it."""
    corrections: list[Correction] = []
    """By set of voters; the pool of a set that is missing stays as it is."""
    embedder: str = ""
    """Which embedder the vectors of `shots` come from."""
    shots: list[Shot] = []
