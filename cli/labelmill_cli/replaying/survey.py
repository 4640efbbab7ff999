"""What has to be known of all recorded routes before any of them is routed anew."""

from labelmill_cli.replaying.recorded import Recorded


class Survey:
    """Sums and audits of recorded routes, gathered as they are read.

    Of what people decided only the blind audits are kept: they are what a promise is judged by.
    """

    def __init__(self) -> None:
        self.routes = 0
        self.withheld = 0
        """Routes held back from who reads them, and left out of everything else."""
        self.decisions = 0
        self.versions: set[int] = set()
        """Versions of the project under which something was routed."""
        self.releases: dict[int, int] = {}
        """Release to when the first of its scores was routed."""
        self.promised: list[Recorded] = []
        """Decided audits drawn from all items alike, whatever their score: evidence for a promise."""
        self.plain: list[Recorded] = []
        """Decided audits drawn from what a policy without a promise would have accepted."""

        self._released_from: dict[tuple[int, str], float] = {}

    def add(self, line: Recorded) -> None:
        """Take note of one route."""
        self.routes += 1
        self.decisions += line.decisions
        self.versions.add(line.project_version)
        self.releases[line.release] = min(line.routed_at, self.releases.get(line.release, line.routed_at))
        if line.withdrawn:
            key = (line.release, str(line.label))
            self._released_from[key] = min(line.confidence, self._released_from.get(key, line.confidence))
        if line.decided_label is None:
            return
        if line.blind and line.audit_rate > 0.0:
            self.promised.append(line)
        elif line.is_plain_audit:
            self.plain.append(line)

    def is_like_released(self, line: Recorded) -> bool:
        """Return whether new evidence would have made a task needless, had it still waited: it did so for
        others of the same release and label that were no surer. Whose turn came first was drawn at random, so
        what people decided on such items speaks for those that nobody saw."""
        least = self._released_from.get((line.release, str(line.label)))
        return least is not None and line.confidence >= least
