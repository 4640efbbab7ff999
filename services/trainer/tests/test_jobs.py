from labelmill.releases import (
    Calibrator,
    Correction,
    Evaluation,
    FineTunedModel,
    Release,
    Reliability,
    StudentModel,
)
from trainer.evaluation import Verdict
from trainer.jobs import MAX_FAILURES, Proposal, next_release, retry_at

EVALUATION = Evaluation(items=1, accuracy=1.0, present_accuracy=0.5)
STUDENT = StudentModel(
    embedder="e", dimensions=1, classes=["a", "b"], weights=b"", bias=b"", temperature=1.0, sure_at=0.9
)
FINETUNED = FineTunedModel(voter="llm", model="ft:m")


def proposal(student: StudentModel | None = None, finetuned: FineTunedModel | None = None) -> Proposal:
    return Proposal(EVALUATION, Verdict(True, "better"), student, finetuned)


def test_the_first_release_is_number_one() -> None:
    release = next_release(proposal(student=STUDENT), None, "d", 100, 5)
    assert (release.number, release.student, release.finetuned) == (1, STUDENT, None)


def test_a_release_keeps_what_its_candidate_does_not_bring() -> None:
    present = Release(
        number=3, dataset="d", decisions=1, evaluation=EVALUATION, created_at=0, student=STUDENT
    )
    release = next_release(proposal(finetuned=FINETUNED), present, "e", 100, 5)
    assert (release.number, release.student, release.finetuned) == (4, STUDENT, FINETUNED)


def test_what_was_measured_of_a_replaced_model_goes_with_it() -> None:
    sets = [["llm", "student"], ["student"]]
    present = Release(
        number=3,
        dataset="d",
        decisions=1,
        evaluation=EVALUATION,
        created_at=0,
        reliabilities={name: Reliability(accuracy=0.8) for name in ("llm", "student")},
        corrections=[Correction(voters=voters, scale=1.0, biases={"a": 1.0}) for voters in sets],
        calibrators=[Calibrator(voters=voters, kind="platt") for voters in sets],
    )
    release = next_release(proposal(finetuned=FINETUNED), present, "e", 100, 5)
    assert list(release.reliabilities) == ["student"]
    assert [each.voters for each in release.corrections] == [["student"]]
    assert [each.voters for each in release.calibrators] == [["student"]]
    kept = next_release(proposal(student=STUDENT), present, "e", 100, 5)
    assert (kept.corrections, kept.calibrators) == (present.corrections, present.calibrators)


def test_waits_grow_and_end() -> None:
    waits = [retry_at(failures, 1000) for failures in range(1, MAX_FAILURES + 1)]
    assert waits == [6000, 21000, None]
