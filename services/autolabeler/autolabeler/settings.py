"""Environment variables of the autolabeler, as typed values."""

import os
from pathlib import Path
from typing import Annotated, Literal

from labelmill.runtime.settings import DatabaseSettings, ServiceSettings
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr


class AutolabelerSettings(ServiceSettings, DatabaseSettings):
    """What the autolabeler reads besides what every service reads."""

    openai_base_url: str = "http://127.0.0.1:18090/v1"
    """An OpenAI-compatible server that returns top_logprobs."""
    openai_api_key: SecretStr = SecretStr("none")
    """Local servers want none, but the client insists on sending one."""

    llm_max_concurrency: PositiveInt = 64
    """Most calls in flight, per model. After a crash at most so many are paid a second time."""
    llm_initial_concurrency: PositiveInt = 8
    """Calls in flight at the start; the limit then adapts itself."""
    llm_latency_tolerance: PositiveFloat = 3.0
    """The limit shrinks when latency passes this many times its lowest."""
    llm_timeout_seconds: PositiveFloat = 30.0
    """Longest silence of the server within a call."""
    llm_unusable_tries: PositiveInt = 3
    """Tries before an answer in prose, without logprobs or malformed makes a dead letter."""
    llm_failing_tries: PositiveInt = 12
    """Server errors and timeouts on one prompt, while others are answered, that make a dead letter."""
    llm_misconfigured_seconds: NonNegativeFloat = 300.0
    """How long items wait for a refused model (wrong key or name) until they are dead letters; 0: ever."""
    llm_min_option_mass: NonNegativeFloat = 0.005
    """Least probability that the options must have together; below it the answer is prose."""
    llm_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the limit on new tokens."""
    llm_breaker_failures: PositiveInt = 5
    """Failures in a row that open the circuit breaker."""
    llm_breaker_max_seconds: PositiveFloat = 30.0
    """Longest time between two probes of a provider that fails."""

    batch_base_url: str = ""
    """Where questions of voters with `mode: batch` go, if that is another server; with the same key."""
    batch_seconds: PositiveFloat = 300.0
    """How long questions are gathered for a batch, and those wait that the day's budget does not pay."""
    batch_requests: Annotated[int, Field(ge=1, le=50_000)] = 10_000
    """Most questions in a batch; once there are so many it leaves at once."""
    batch_poll_seconds: PositiveFloat = 30.0
    """First wait between two looks at a batch; the waits grow to 12 times this."""
    batch_tries: PositiveInt = 3
    """How often a question is put into a batch before it makes dead letters."""

    autolabeler_batch_records: PositiveInt = 2000
    """Most records taken from Kafka at once."""
    autolabeler_window_items: PositiveInt = 8000
    """Most unfinished items in memory."""
    autolabeler_window_bytes: PositiveInt = 64 * 1024 * 1024
    """Most bytes of unfinished records; in memory an item takes some three times its record's size."""
    autolabeler_window_span: PositiveInt = 50_000
    """Most records beyond the committed offsets: what may be done again (from the cache) after a crash."""
    autolabeler_commit_seconds: PositiveFloat = 0.2
    """Time between two commits of the offsets of finished items."""
    autolabeler_collect_seconds: NonNegativeFloat = 0.02
    """How long finished items are collected before they are published together."""
    autolabeler_drain_seconds: PositiveFloat = 3.0
    """Time that calls in flight are given when partitions move away or the service stops."""

    functions_dir: Path | None = None
    """Folder of the labeling functions in Python, `<project>/<module>.py`. What lies there is run."""
    function_seconds: PositiveFloat = 1.0
    """Time a Python function may take for an item."""

    vote_retention_days: NonNegativeInt = 90
    """Age at which cached votes are removed; 0 keeps them for ever."""
    student_threads: PositiveInt = Field(default_factory=lambda: os.cpu_count() or 1)
    """Cores the student's embedding model may use; all of the machine's unless set."""
