"""The manifest that lies beside an exported file."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from labelmill_cli.errors import CliError

_LAST_LINE = b'{"manifest":'


class Described:
    """Lines of an export whose last one is their manifest; iterate once, then ask for it."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = lines
        self._manifest: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[bytes]:
        """Yield the labels. Raises CliError if they are not those that the manifest describes."""
        sha256, rows = hashlib.sha256(), 0
        for line in self._lines:
            if line.startswith(_LAST_LINE):
                self._manifest = msgspec.json.decode(line)["manifest"]
                break
            sha256.update(line + b"\n")
            rows += 1
            yield line
        told = self._manifest or {}
        if (told.get("rows"), told.get("sha256")) != (rows, sha256.hexdigest()):
            raise CliError("the export is not complete: try again")

    @property
    def manifest(self) -> dict[str, Any]:
        assert self._manifest is not None, "read the lines first"
        return self._manifest


def write_manifest(file: Path, manifest: dict[str, Any]) -> None:
    """Write `manifest` beside `file`, with the file's name and the SHA-256 of what it holds."""
    with file.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    document = {**manifest, "file": file.name, "sha256": digest, "bytes": file.stat().st_size}
    beside = file.with_name(file.name + ".manifest.json")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
