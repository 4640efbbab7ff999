"""Whether there is room for another ingestion request. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager

from review_api.errors import ApiError

_RETRY_BUSY_SECONDS = 1
_RETRY_BEHIND_SECONDS = 30


class Admission:
    """Lets in as many requests at once as the process can serve, and none while what follows is behind."""

    def __init__(self, most_requests: int, most_lag: int, most_outbox: int) -> None:
        self._most_requests = most_requests
        self._most_lag = most_lag
        self._most_outbox = most_outbox
        self._requests = 0
        self.lag = 0
        """Records that the ledger has not written, as last seen."""
        self.outbox = 0
        """Decisions that have not left, as last seen."""

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request while it runs. Raises ApiError 429 if there is no room for it."""
        if self._requests >= self._most_requests:
            raise _overloaded("too many ingestion requests are running", _RETRY_BUSY_SECONDS)
        if self.lag > self._most_lag:
            raise _overloaded(f"the ledger is {self.lag} records behind", _RETRY_BEHIND_SECONDS)
        if self.outbox > self._most_outbox:
            raise _overloaded(f"{self.outbox} decisions wait to leave", _RETRY_BEHIND_SECONDS)
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1


def _overloaded(detail: str, seconds: int) -> ApiError:
    return ApiError(429, "overloaded", detail, {"Retry-After": str(seconds)})
