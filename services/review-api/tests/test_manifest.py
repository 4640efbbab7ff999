"""The manifest counts what was exported, and names nobody unless asked."""

import hashlib

from review_api.ledger.manifest import Manifest, Origin

ORIGIN = Origin("tweets", "Tweets", 3, 2, 5, {"content": False}, "0.1.0", 1_760_000_000_000)


def made(*, names_owners: bool) -> Manifest:
    manifest = Manifest(ORIGIN, names_owners=names_owners)
    for owner, licence in (("ann", "CC0-1.0"), ("ben", "CC0-1.0"), ("ann", "")):
        found = {"owner": manifest.owner(owner)} | ({"licence": licence} if licence else {})
        manifest.count(found, "people")
    manifest.count({}, "machine")
    manifest.written(b"one\n")
    manifest.written(b"two\n")
    return manifest


def test_rows_are_counted_by_what_they_say() -> None:
    told = made(names_owners=True).document()
    assert told["rows"] == 4
    assert told["created_at"] == "2025-10-09T08:53:20.000Z"
    assert told["by_licence"] == {"": 2, "CC0-1.0": 2}
    assert told["by_source"] == {"": 4}
    assert told["by_decider"] == {"machine": 1, "people": 3}
    assert told["owners"] == 2
    assert told["sha256"] == hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert (told["project_version"], told["guideline_version"], told["release"]) == (3, 2, 5)


def test_owners_are_pseudonyms_of_one_export() -> None:
    first, second = made(names_owners=False), made(names_owners=False)
    assert first.owner("ann") == first.owner("ann") != first.owner("ben")
    assert first.owner("ann") != second.owner("ann")
    assert "ann" not in str(first.document())
    assert first.document()["owners"] == 2
    assert made(names_owners=True).owner("ann") == "ann"
