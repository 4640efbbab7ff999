"""The page's files, read once from the package and known by the hash of their content."""

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import jinja2

from review_api.web.pages import PAGES, PageSpec

_COMPRESSIBLE = ("text/", "image/svg")
_NOT_RUN = (".txt", ".md")
"""Licences: they come along, and no page asks for them."""
_TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".txt": "text/plain"}


@dataclass(frozen=True)
class Asset:
    """One file. `compressed` is the same content in gzip, or None where that gains nothing."""

    content: bytes
    compressed: bytes | None
    media_type: str
    etag: str


@dataclass(frozen=True)
class Assets:
    """All files under `static`, by their path in it, the pages by theirs, the worker that opens them without
    a connection, and one version for all of them."""

    static: Mapping[str, Asset]
    pages: Mapping[str, Asset]
    worker: Asset
    version: str

    @classmethod
    def load(cls) -> "Assets":
        """Return what the installed package holds."""
        web = files("review_api.web")
        contents = dict(_walk(web / "static"))
        version = _digest(b"".join(name.encode() + contents[name] for name in sorted(contents)))[:12]
        templates = jinja2.Environment(
            loader=jinja2.PackageLoader("review_api.web", "pages"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        pages = {page.path: _page(templates, page, version) for page in PAGES}
        worker = templates.get_template("worker.js").render(
            version=version,
            files=sorted(name for name in contents if not name.endswith(_NOT_RUN)),
            pages=[page.path for page in PAGES],
        )
        static = {name: _asset(name, content) for name, content in contents.items()}
        return cls(static, pages, _asset("worker.js", worker.encode()), version)


def _page(templates: jinja2.Environment, page: PageSpec, version: str) -> Asset:
    text = templates.get_template("page.html").render(page=page, static=f"/static/{version}")
    return _asset("page.html", text.encode())


def _asset(name: str, content: bytes) -> Asset:
    suffix = "." + name.rpartition(".")[2]
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    compressed = gzip.compress(content, mtime=0) if media_type.startswith(_COMPRESSIBLE) else None
    return Asset(content, compressed, media_type, f'W/"{_digest(content)[:16]}"')


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
