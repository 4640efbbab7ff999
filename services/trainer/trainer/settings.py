"""Environment variables of the trainer, as typed values."""

from typing import Literal, Self

from labelmill.runtime.settings import DatabaseSettings, ServiceSettings
from pydantic import PositiveInt, SecretStr, model_validator


class TrainerSettings(ServiceSettings, DatabaseSettings):
    """What the trainer reads besides the settings that every service has."""

    trainer_token: SecretStr = SecretStr("")
    """Bearer token for /v1; while it is empty every call under /v1 is refused."""
    split_key: SecretStr = SecretStr("labelmill")
    """Key of the draw that holds decisions out. Changing it moves nothing that was drawn before."""
    trainer_batch_records: int = 500
    """Most decisions taken from Kafka as one batch."""
    trainings_at_once: PositiveInt = 1
    """Trainings (of different projects) in this process at a time; fewer than DATABASE_POOL_SIZE."""
    training_threads: int = 2
    """Cores that a training may use for embedding."""
    training_timeout_seconds: float = 900.0
    """A step of a training (embedding a chunk, fitting) that takes longer counts as failed."""
    dataset_max_decisions: int = 50_000
    """Decisions in a dataset at most, the newest; so many take some 300 MB in each of two processes."""
    trigger_seconds: float = 30.0
    """How often the triggers of all projects are looked at; new decisions are looked at as they come."""
    openai_base_url: str = "http://127.0.0.1:18090/v1"
    """Where the trainer `openai` asks fine-tuned models: the server that the autolabeler asks."""
    openai_api_key: SecretStr = SecretStr("none")
    """Key for it; local servers want none."""
    finetuning_base_url: str = ""
    """Where it uploads files and makes jobs, if that is another server; with the same key."""
    llm_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the limit on new tokens."""
    finetuning_poll_seconds: float = 10.0
    """First wait between two looks at a fine-tuning job; the waits grow to 12 times this."""
    finetuning_max_hours: float = 24.0
    """A fine-tuning job that takes longer is cancelled and recorded as failed."""
    finetuning_max_examples: int = 10_000
    """Decisions that a model is fine-tuned on at most, the newest."""
    finetuning_evaluation_items: int = 200
    """Held-out decisions that a fine-tuned model is asked about at most: each costs a call."""

    @model_validator(mode="after")
    def _leave_a_connection(self) -> Self:
        # Each training keeps a connection for its lock and needs another now and then: with none left over
        # all of them would wait for one another.
        if self.trainings_at_once >= self.database_pool_size:
            raise ValueError(
                f"TRAININGS_AT_ONCE ({self.trainings_at_once}) must be less than DATABASE_POOL_SIZE "
                f"({self.database_pool_size}): each training holds a connection"
            )
        return self
