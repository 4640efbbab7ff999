"""Deterministic identifiers: the same input gives the same id on every run and machine."""

import hashlib

import msgspec

_SEPARATOR = "\x1f"


def event_id(*parts: str) -> str:
    """Return the 32 hex digit id of an event that is determined by `parts` (BLAKE2b, 128 bits).

    Two deliveries of the same fact get the same id, so a sink that keys on it is idempotent.
    """
    return hashlib.blake2b(_SEPARATOR.join(parts).encode(), digest_size=16).hexdigest()


def content_hash(content: str, metadata: dict[str, str]) -> str:
    """Return the 32 hex digit fingerprint of an item's content and metadata.

    An item id that comes back with another fingerprint is a conflict, not a repetition.
    """
    digest = hashlib.blake2b(content.encode(), digest_size=16)
    if not metadata:
        return digest.hexdigest()
    # A second hash over JSON: neither text nor metadata can be written so that they pass for one another.
    document = msgspec.json.encode([digest.hexdigest(), sorted(metadata.items())])
    return hashlib.blake2b(document, digest_size=16, person=b"metadata").hexdigest()


def item_hash(project: str, item_id: str) -> str:
    """Return the 32 hex digits that stand for an item once it is erased: nothing else is kept of it."""
    name = _SEPARATOR.join((project, item_id)).encode()
    return hashlib.blake2b(name, digest_size=16, person=b"erased").hexdigest()


def uniform(key: str, *parts: str) -> float:
    """Return a number in [0, 1), fixed by `parts` and unpredictable without `key` (keyed BLAKE2b, 53 bits).

    Random draws of the policy (audits) use it, so that a replay routes every item the same way.
    """
    secret = key.encode()
    if len(secret) > hashlib.blake2b.MAX_KEY_SIZE:
        secret = hashlib.blake2b(secret).digest()
    digest = hashlib.blake2b(_SEPARATOR.join(parts).encode(), digest_size=8, key=secret).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2.0**53
