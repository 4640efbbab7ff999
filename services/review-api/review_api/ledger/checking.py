"""Whether a route fits the project that it claims to be of. Pure."""

import msgspec
from labelmill.errors import InvalidLabel, InvalidRecord
from labelmill.kinds import kind_named
from labelmill.projects import ProjectSpec

from review_api.ledger.records import Routed

_MOST_REMEMBERED = 1000


class RouteCheck:
    """Checks routes against one version of a project. Labels repeat, so verdicts are remembered."""

    def __init__(self, spec: ProjectSpec) -> None:
        self._spec = spec
        self._kind = kind_named(spec.kind)
        self._valid: set[bytes] = set()

    def check(self, event: Routed) -> None:
        """Raise InvalidRecord (`unknown_label`, `invalid_event`) if label or kind is not the project's."""
        score = event.score
        if score.kind != self._spec.kind:
            raise InvalidRecord("invalid_event", f"kind {score.kind!r}; the project's is {self._spec.kind!r}")
        label = bytes(score.label)
        if label in self._valid:
            return
        try:
            self._kind.validate(msgspec.json.decode(label), self._spec.label_names)
        except InvalidLabel as error:
            raise InvalidRecord("unknown_label", str(error)) from error
        if len(self._valid) < _MOST_REMEMBERED:
            self._valid.add(label)
