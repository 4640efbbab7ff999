"""The exceptions of labelmill, under one root."""


class LabelmillError(Exception):
    """Root of every error that labelmill raises on purpose."""


class InvalidRecord(LabelmillError):
    """A record that can never succeed, however often it is tried: it belongs in the dead-letter queue.

    Attributes:
        reason: a short stable code (`malformed_json`, `unknown_project`, ...), fit for a metric label.
        detail: one sentence for the person who looks at the record.
        is_blameless: the record is sound and the cause outside it is known, so it says nothing about the
            other records: it does not count towards the share of dead letters that stops the service.
    """

    def __init__(self, reason: str, detail: str, *, is_blameless: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.is_blameless = is_blameless


class InvalidLabel(LabelmillError):
    """A label that the project's kind or label set does not allow."""


class InvalidProject(LabelmillError):
    """A project file that cannot be used; the message names the field and what would be right."""


class TooManyDeadLetters(LabelmillError):
    """So many records failed that something other than the records must be wrong."""


class BootstrapFailed(LabelmillError):
    """The broker refused to make topics; the message names them and its reasons."""


class EmbedderUnavailable(LabelmillError):
    """The embedding model that a release needs cannot be loaded here."""
