"""A blind audit as evidence for a promise. Pure."""

from dataclasses import dataclass

from labelmill.events import Vote

from trainer.splitting import Side


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A decision on an item that was drawn as a blind audit. `seq` is the order of decisions.

    `label` is what people settled on, `rater_labels` what each said, in the order of their decisions.
    `machine_label` and `machine_confidence` are those of `release`, under which the item was routed. An audit
    of side TRAIN served the training of every release whose dataset's watermark is at or above `seq`.
    `is_suspicious`: its text seems to speak to the LLM, so it went to people, as any like it does.
    """

    seq: int
    item_id: str
    content_hash: str
    group: str
    side: Side
    label: str
    rater_labels: list[str]
    votes: list[Vote]
    machine_label: str
    machine_confidence: float
    release: int
    guideline_version: int
    audit_rate: float
    propensity: float
    decided_at: int
    metadata: dict[str, str]
    is_suspicious: bool = False
