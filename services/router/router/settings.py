"""Environment variables of the router, as typed values."""

from labelmill.runtime.settings import ServiceSettings


class RouterSettings(ServiceSettings):
    """What the router reads besides the settings that every service has."""

    router_batch_records: int = 2000
    """Most records handled as one batch: published together, then committed."""
