"""What a release makes of votes that were scored under an older one. Pure."""

import msgspec
from labelmill.calibration import Calibrations
from labelmill.events import Vote
from labelmill.kinds import kind_named
from labelmill.pooling import Pool
from labelmill.projects import ProjectSpec
from labelmill.releases import Release

from review_api.tasks.ordering import Facts

_votes = msgspec.json.Decoder(list[Vote])


class Rescoring:
    """Pools and calibrates the votes of waiting tasks anew, under one release."""

    def __init__(self, spec: ProjectSpec, release: Release) -> None:
        self._pool = Pool.of(kind_named(spec.kind), spec.label_names, release)
        self._calibrations = Calibrations(release.calibrators)

    def __call__(self, facts: Facts) -> Facts:
        """Return the facts with the label, confidence and probabilities that the release gives them.

        The votes are those that were cast: a student or a model that came since has not been asked. Votes of
        a kind or label that the project no longer has leave the facts as they are.
        """
        votes = _votes.decode(facts.votes)
        if not votes:
            return facts
        opinion = self._pool(votes)
        confidence, _ = self._calibrations(votes, str(opinion.label), opinion.confidence)
        return Facts(
            item_id=facts.item_id,
            blind=facts.blind,
            confidence=confidence,
            created_at=facts.created_at,
            label=msgspec.json.encode(opinion.label),
            probabilities=msgspec.json.encode(opinion.probabilities),
            votes=facts.votes,
            metadata=facts.metadata,
        )
