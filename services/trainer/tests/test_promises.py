"""Evidence for a promise: which audits count, as what, and what a new release or promise changes."""

from dataclasses import replace

from labelmill.acceptance import Threshold
from labelmill.projects import LabelSpec, PolicySpec, ProjectSpec, VoterSpec
from labelmill.promise.gate import Audit, Promise
from labelmill.promise.raters import Pairs
from labelmill.promise.standing import Standing, judged, promise_of, published, starts_anew
from trainer.evidence import AuditRow
from trainer.promises import Rescored, audits_of, usable
from trainer.splitting import Side

ROW = AuditRow(
    seq=1,
    item_id="i1",
    content_hash="0" * 32,
    group="g1",
    side=Side.TRAIN,
    label="positive",
    rater_labels=["positive"],
    votes=[],
    machine_label="positive",
    machine_confidence=0.9,
    release=1,
    guideline_version=1,
    audit_rate=0.2,
    propensity=0.2,
    decided_at=1,
    metadata={},
)
SURE = Rescored("positive", 0.99, acceptable=True, unknown=False)
OPEN = Threshold(release=1, confidence=0.9)


def spec(**policy: object) -> ProjectSpec:
    return ProjectSpec(
        project="p",
        title="P",
        labels=[LabelSpec(name="positive"), LabelSpec(name="negative")],
        guideline="Say which.",
        voters=[VoterSpec(name="llm", type="llm", model="m")],
        policy=PolicySpec(**{"target_error": 0.02, **policy}),  # type: ignore[arg-type]
    )


def right(count: int, first: int = 1, errors: int = 0) -> list[Audit]:
    """Return audits of one score, the last `errors` of them wrong."""
    return [
        Audit(seq=first + number, score=0.999, error=number >= count - errors, accepted=True)
        for number in range(count)
    ]


def standing(audits: list[Audit], release: int = 1) -> Standing:
    return judged(Promise(target=0.02), None, release, 0, audits)


def test_a_policy_without_a_target_promises_nothing() -> None:
    assert promise_of(spec(target_error=None), Pairs(0, 0)) is None


def test_the_limit_of_the_raters_error_is_paid_for_out_of_the_same_confidence() -> None:
    plain = promise_of(spec(), Pairs(0, 0))
    assert plain is not None
    assert (plain.confidence, plain.rater_error) == (0.95, 0.0)
    measured = promise_of(spec(audit_raters=3), Pairs(1000, 180))
    assert measured is not None
    assert measured.confidence > 0.95
    single = promise_of(spec(), Pairs(1000, 180))
    assert single is not None
    assert 0.07 < single.rater_error < 0.1, "two raters who err one time in ten differ 18 times in a hundred"
    assert measured.rater_error < single.rater_error


def test_what_a_release_was_trained_on_is_no_evidence_for_it() -> None:
    rows = [
        replace(ROW, seq=1, side=Side.TRAIN),
        replace(ROW, seq=2, side=Side.HOLDOUT),
        replace(ROW, seq=3, side=Side.LEFT_OUT),
        replace(ROW, seq=9, side=Side.TRAIN),
    ]
    assert [row.seq for row in usable(rows, watermark=5)] == [2, 9]
    assert [row.seq for row in usable(rows, watermark=None)] == [2], "nobody knows what it learned from"


def test_audits_of_what_is_accepted_are_watched_whatever_way_they_came() -> None:
    (audit,) = audits_of([ROW], [SURE], 1, OPEN)
    assert audit == Audit(seq=1, score=0.99, error=False, label="positive", accepted=True, rate=0.2)
    everything = replace(ROW, propensity=1.0, audit_rate=1.0)
    assert audits_of([everything], [SURE], 1, OPEN)[0].accepted, "a doubt could else never be settled"
    (early,) = audits_of([replace(ROW, propensity=1.0)], [SURE], 1, OPEN)
    assert early.accepted, "the cascade would have ended before the vote that had it reviewed"


def test_audits_of_what_is_not_accepted_are_not_watched() -> None:
    by_label = Threshold(release=1, confidence=2.0, by_label={"negative": 0.9})
    unsure, unfit = SURE._replace(confidence=0.89), SURE._replace(acceptable=False)
    assert not audits_of([replace(ROW, release=2)], [SURE], 1, OPEN)[0].accepted
    assert not audits_of([ROW], [SURE], 1, None)[0].accepted
    assert not audits_of([ROW], [unsure], 1, OPEN)[0].accepted
    assert not audits_of([ROW], [unfit], 1, OPEN)[0].accepted
    assert not audits_of([ROW], [SURE], 1, by_label)[0].accepted


def test_what_is_never_accepted_is_about_no_threshold() -> None:
    assert audits_of([ROW], [SURE._replace(acceptable=False)], 1, OPEN)[0].score == 0.0
    (suspicious,) = audits_of([replace(ROW, is_suspicious=True)], [SURE], 1, OPEN)
    assert (suspicious.score, suspicious.accepted) == (0.0, False)


def test_errors_are_what_people_contradict_and_what_nobody_knows() -> None:
    scores = [SURE, SURE._replace(label="negative"), SURE._replace(unknown=True)]
    found = audits_of([ROW, ROW, ROW], scores, 1, OPEN)
    assert [audit.error for audit in found] == [False, True, True]


def test_enough_right_audits_open_acceptance_and_few_do_not() -> None:
    assert not standing(right(100)).gate.is_open
    opened = standing(right(600))
    assert opened.gate.is_open
    told = published(spec(), opened)
    assert told.state == "open"
    assert told.thresholds[-1].release == 1
    assert told.error_bound <= 0.02


def test_a_new_release_needs_evidence_of_its_own_and_the_old_keeps_its() -> None:
    before = standing(right(600))
    promise = before.promise
    assert starts_anew(promise, before, 2)
    after = judged(promise, before, 2, 1, right(50))
    assert not after.gate.is_open
    told = published(spec(), after)
    assert [each.release for each in told.thresholds] == [1, 2]
    assert told.thresholds[0].confidence <= 0.999 < told.thresholds[1].confidence


def test_candidates_that_were_tried_use_up_what_may_go_wrong() -> None:
    before = standing(right(600))
    few = judged(before.promise, before, 2, 1, right(900))
    many = judged(before.promise, before, 2, 60, right(900))
    assert few.gate.family < many.gate.family
    assert few.gate.is_open
    assert published(spec(), many).error_bound > published(spec(), few).error_bound


def test_an_alarm_ends_what_earlier_releases_had_certified() -> None:
    first = standing(right(600))
    second = judged(first.promise, first, 2, 1, right(900))
    assert second.earlier
    broken = judged(second.promise, second, 2, 1, right(60, first=901, errors=60))
    assert broken.gate.alarms == 1
    assert broken.earlier == []
    assert published(spec(), broken).state == "alarm"


def test_another_target_starts_anew_without_what_was_certified_for_the_old() -> None:
    before = standing(right(600))
    stricter = promise_of(spec(target_error=0.001), Pairs(0, 0))
    assert stricter is not None
    assert starts_anew(stricter, before, 1)
    after = judged(stricter, before, 1, 0, right(600))
    assert not after.gate.is_open
    assert after.earlier == []
