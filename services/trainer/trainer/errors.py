"""What can end a training without a candidate."""

from labelmill.errors import LabelmillError


class NotEnough(LabelmillError):
    """The decisions do not suffice; the message begins with "not enough" and says what is missing."""


class WorkerFailed(LabelmillError):
    """The training process died, took too long, or met an error."""


class Superseded(LabelmillError):
    """The job was finished, or another release came into force, while this training ran."""


class NothingToRestore(LabelmillError):
    """There is no release before the present one."""


class ProviderRefused(LabelmillError):
    """The fine-tuning provider refused for good; the message carries its reason."""
