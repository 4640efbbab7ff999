"""What decisions teach of the voters, and scores made anew with it."""

import numpy as np
import pytest
from labelmill.events import Vote
from labelmill.projects import project_from
from labelmill.releases import Evaluation, Release, StudentModel
from trainer.cast import Cast
from trainer.evaluation import Verdict
from trainer.jobs import Proposal, next_release
from trainer.learning import Decided, learn
from trainer.scoring import Scorer, Votes
from trainer.shots import Candidate, chosen

SPEC = project_from(
    {
        "project": "p",
        "title": "P",
        "labels": [{"name": "a"}, {"name": "b"}],
        "guideline": "g",
        "voters": [{"name": "llm", "type": "llm", "model": "m"}, {"name": "student", "type": "student"}],
    }
)
STUDENT = StudentModel(
    embedder="e", dimensions=1, classes=["a", "b"], weights=b"", bias=b"", temperature=1.0, sure_at=0.99
)
JUDGED = Evaluation(items=1, accuracy=1.0, present_accuracy=0.5)


def said(share: float, model: str = "m") -> Vote:
    label = "a" if share >= 0.5 else "b"
    return Vote(
        voter="llm",
        version=model,
        source="logprobs",
        label=label,
        confidence=max(share, 1 - share),
        probabilities={"a": share, "b": 1 - share},
    )


def learned_release(**fields: object) -> Release:
    rng = np.random.default_rng(0)
    truth = rng.random(400) < 0.5
    right = rng.random((2, 400)) < [[0.75], [0.85]]
    llm = np.where(right[0] == truth, 0.9, 0.1)
    student = np.where(right[1] == truth, 0.85, 0.15)
    decided = Decided(
        votes=[[said(float(share))] for share in llm],
        shares=np.column_stack([student, 1 - student]),
        labels=["a" if each else "b" for each in truth],
        weights=np.ones(400),
        groups=[str(row) for row in range(400)],
    )
    found = learn(SPEC, Cast(SPEC, STUDENT, None), decided)
    proposal = Proposal(JUDGED, Verdict(True, ""), STUDENT, None, found.reliabilities, found.calibrators)
    return next_release(proposal, None, "d", 400, 0)


def test_each_step_of_the_cascade_has_its_calibrator_and_each_voter_its_reliability() -> None:
    release = learned_release()
    assert [calibrator.voters for calibrator in release.calibrators] == [["llm", "student"], ["student"]]
    assert release.reliabilities["llm"].accuracy == pytest.approx(0.75, abs=0.06)
    assert release.reliabilities["student"].accuracy == pytest.approx(0.85, abs=0.06)


def test_the_step_of_the_highest_confidence_scores() -> None:
    scorer = Scorer(SPEC, learned_release())
    both = scorer.score(Votes([said(0.9)], np.array([0.85, 0.15]), "a"))
    apart = scorer.score(Votes([said(0.1)], np.array([0.85, 0.15]), "a"))
    assert (both.label, both.acceptable, both.unknown) == ("a", True, False)
    assert both.confidence > 0.9 > apart.confidence


def test_what_nobody_asked_is_unknown_unless_the_student_is_sure() -> None:
    scorer = Scorer(SPEC, learned_release())
    for recorded in ([], [said(0.9, "another model")]):
        assert scorer.score(Votes(recorded, np.array([0.85, 0.15]), "a")).unknown
    assert not scorer.score(Votes([], np.array([0.995, 0.005]), "a")).unknown
    assert scorer.score(Votes([said(0.9)], None, "a")).unknown


def test_a_wrong_label_that_an_earlier_step_would_have_accepted_counts() -> None:
    scorer = Scorer(SPEC, learned_release())
    item = Votes([said(1e-9)], np.array([0.85, 0.15]), "b")
    assert scorer.score(item).label == "a"


def test_shots_are_of_all_labels_and_no_near_duplicates() -> None:
    rows = [Candidate(f"text {n}", "a" if n else "b", str(n // 2), b"") for n in range(20)]
    found = chosen(rows, most=5)
    assert [shot.example.label for shot in found].count("b") == 1
    assert len({shot.example.content for shot in found}) == 5
    assert chosen([Candidate("x" * 5000, "a", "g", b"")]) == []
