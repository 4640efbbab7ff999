"""Roles, the slowing of guesses, secrets; and versions of projects."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmill.projects import LabelSpec, load_project
from review_api.accounts import secrecy
from review_api.accounts.attempts import Attempts, Guesses
from review_api.accounts.roles import allows
from review_api.errors import ApiError
from review_api.items.admission import Admission
from review_api.projects.versions import next_version

SPEC = load_project(
    "{project: p, title: P, labels: [{name: a}, {name: b}], guideline: G, voters: [{name: s, type: student}]}"
)


def test_roles() -> None:
    assert allows(["reviewer"], [])
    assert allows(["admin"], ["reviewer"])
    assert allows(["service"], ["manager", "service"])
    assert not allows(["reviewer"], ["manager"])
    assert not allows([], ["manager"])
    assert not allows(["manager"], ["admin"])


def test_guesses_of_one_name_from_one_place_have_to_wait() -> None:
    guesses = Guesses(3)
    for now in (0.0, 1.0, 2.0):
        assert guesses.wait("ada", "10.0.0.1", now) == 0
        guesses.failed("ada", "10.0.0.1", now)
    assert guesses.wait("ada", "10.0.0.1", 2.0) == 58
    assert guesses.wait("ada", "10.0.0.2", 2.0) == 0
    assert guesses.wait("bob", "10.0.0.1", 2.0) == 0
    assert guesses.wait("ada", "10.0.0.1", 60.0) == 0
    guesses.succeeded("ada", "10.0.0.1")
    assert guesses.wait("ada", "10.0.0.1", 3.0) == 0


def test_signing_in_leaves_no_failure_behind() -> None:
    guesses = Guesses(1)
    for _ in range(50):
        assert guesses.wait("ada", "10.0.0.1", 0.0) == 0, "an office signs in on a Monday morning"
        guesses.failed("ada", "10.0.0.1", 0.0)
        guesses.succeeded("ada", "10.0.0.1")


def test_many_names_from_one_place_have_to_wait_too() -> None:
    guesses = Guesses(1)
    for number in range(10):
        guesses.failed(f"name{number}", "10.0.0.1", 0.0)
    assert guesses.wait("another", "10.0.0.1", 0.0) == 60


def test_what_is_remembered_of_failures_is_bounded() -> None:
    attempts = Attempts(1)
    for number in range(10_500):
        attempts.failed(str(number), 0.0)
    assert len(attempts._failures) == 10_000
    assert attempts.wait("10499", 0.0) > 0
    assert attempts.wait("0", 0.0) == 0


async def test_passwords_are_hashed_with_argon2id() -> None:
    passwords = secrecy.Passwords()
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    right, wrong, nobody, garbage = await asyncio.gather(
        passwords.matches(stored, "correct horse"),
        passwords.matches(stored, "wrong"),
        passwords.matches(None, "correct horse"),
        passwords.matches("not a hash", "x"),
    )
    assert (right, wrong, nobody, garbage) == (True, False, False, False)


@given(st.text(min_size=1), st.text(min_size=1))
def test_csrf_tokens_belong_to_their_session(one: str, other: str) -> None:
    assert (secrecy.csrf_token(one) == secrecy.csrf_token(other)) == (one == other)


def test_admission_counts_and_looks_behind() -> None:
    admission = Admission(most_requests=2, most_lag=10, most_outbox=5)
    with (
        admission.request(),
        admission.request(),
        pytest.raises(ApiError, match="overloaded"),
        admission.request(),
    ):
        pass
    with admission.request():
        pass
    admission.lag = 11
    with pytest.raises(ApiError) as refused, admission.request():
        pass
    assert refused.value.headers["Retry-After"] == "30"
    admission.lag, admission.outbox = 10, 6
    with pytest.raises(ApiError), admission.request():
        pass


def test_versions_rise_with_what_changes() -> None:
    first = next_version(None, SPEC)
    assert (first.version, first.guideline_version) == (1, 1)
    assert next_version(first, SPEC) is first
    titled = next_version(first, msgspec.structs.replace(SPEC, title="Q"))
    assert (titled.version, titled.guideline_version) == (2, 1)
    for changed in (
        msgspec.structs.replace(SPEC, guideline="H"),
        msgspec.structs.replace(SPEC, labels=[*SPEC.labels, LabelSpec(name="c")]),
        msgspec.structs.replace(SPEC, labels=[LabelSpec(name="a", description="x"), SPEC.labels[1]]),
    ):
        assert next_version(titled, changed).guideline_version == 2
