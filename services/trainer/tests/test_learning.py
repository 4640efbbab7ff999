"""What decisions teach of the voters, and scores made anew with it."""

import msgspec
import numpy as np
import pytest
from labelmill.events import Vote
from labelmill.projects import project_from
from labelmill.releases import Evaluation, Release, StudentModel
from scipy.special import expit
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


def learned_release() -> Release:
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
    return release_of(decided)


def release_of(decided: Decided) -> Release:
    found = learn(SPEC, Cast(SPEC, STUDENT, None), decided)
    proposal = Proposal(
        JUDGED,
        Verdict(True, ""),
        STUDENT,
        None,
        found.reliabilities,
        found.corrections,
        found.calibrators,
    )
    return next_release(proposal, None, "d", 400, 0)


def with_a_favourite(rng: np.random.Generator, count: int) -> Decided:
    """Decisions on items where the LLM leans to `a`, whatever it sees, and the student does not."""
    truth = rng.random(count) < 0.5
    seen = rng.normal(np.where(truth, 1.0, -1.0), 1.0, (2, count))
    llm, student = expit(2 * seen[0] + 2.0), expit(2 * seen[1])
    return Decided(
        votes=[[said(float(share))] for share in llm],
        shares=np.column_stack([student, 1 - student]),
        labels=["a" if each else "b" for each in truth],
        weights=np.ones(count),
        groups=[str(row) for row in range(count)],
    )


def rescored(release: Release, decided: Decided) -> tuple[float, float]:
    """Return the accuracy and the mean confidence of the machine on decided items."""
    assert decided.shares is not None
    scorer = Scorer(SPEC, release)
    items = [Votes(*row) for row in zip(decided.votes, decided.shares, decided.labels, strict=True)]
    found = [scorer.pooled(item) for item in items]
    right = [each.label == label for each, label in zip(found, decided.labels, strict=True)]
    return float(np.mean(right)), float(np.mean([each.confidence for each in found]))


@pytest.mark.parametrize("seed", range(3))
def test_a_voter_that_names_one_label_too_often_is_corrected_before_it_is_calibrated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    release, unseen = release_of(with_a_favourite(rng, 300)), with_a_favourite(rng, 4000)
    (correction,) = release.corrections
    assert correction.voters == ["llm", "student"]
    assert correction.biases["a"] < 0 < correction.biases["b"]
    assert unseen.shares is not None
    student = float(np.mean((unseen.shares[:, 0] > 0.5) == (np.array(unseen.labels) == "a")))
    with_correction, confidence = rescored(release, unseen)
    without, _ = rescored(msgspec.structs.replace(release, corrections=[]), unseen)
    assert max(without, student) + 0.01 < with_correction
    assert confidence == pytest.approx(with_correction, abs=0.05), "calibrated as corrected"


def test_where_nobody_has_a_favourite_nothing_is_corrected() -> None:
    assert learned_release().corrections == []


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
