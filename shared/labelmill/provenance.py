"""Where an item comes from and what may be done with it: reserved names in its metadata. Pure.

As metadata they travel with every event of the item, and no event has to change. The `@` keeps them apart
from what others call their fields.
"""

from collections.abc import Mapping
from typing import Final

FIELDS: Final = ("owner", "licence", "source", "consent")

OWNER: Final = "@owner"

NAMES: Final = tuple(f"@{field}" for field in FIELDS)
"""The metadata names of FIELDS, in their order."""

WITHDRAWN: Final = frozenset({"withdrawn", "refused", "none"})
"""What `consent` must not say of an item that is to be labelled."""

MAX_CHARS: Final = 200
"""Longest value of a field: they are names, not texts."""


def of(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that `metadata` holds, by their plain names."""
    return {field: metadata[name] for field, name in zip(FIELDS, NAMES, strict=True) if name in metadata}


def plain(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return `metadata` without the fields."""
    return {name: value for name, value in metadata.items() if name not in NAMES}
