"""What the trainer publishes: a numbered release, complete in itself, as plain data (nothing unpickled)."""

import msgspec


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
