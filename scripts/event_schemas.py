"""The schemas of the events, and whether a change of them is safe while old and new builds run side by side.

python scripts/event_schemas.py --check   compare the code with tests/contract/events.schema.json
python scripts/event_schemas.py --write   take the code's schemas over; refuses a change that breaks
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from labelmill.topics import TOPICS

SNAPSHOT = Path(__file__).resolve().parent.parent / "tests/contract/events.schema.json"
UPDATE = "python scripts/event_schemas.py --write"
ADVICE = (
    "Kafka keeps records of the present build, and that build reads what this one writes: keep the field and "
    "add another, optional one; or raise `v` and read both versions for as long as the topics keep records."
)

Schema = dict[str, Any]


def schemas() -> dict[str, Schema]:
    """Return topic to JSON schema of its event."""
    return {topic.name: _without_words(msgspec.json.schema(topic.event)) for topic in TOPICS}


def _without_words(schema: Any) -> Any:
    """Leave out descriptions and titles: they may change at any time."""
    if isinstance(schema, list):
        return [_without_words(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    words = {"description", "title"} & schema.keys()
    kept = {name: part for name, part in schema.items() if not (name in words and isinstance(part, str))}
    return {name: _without_words(part) for name, part in kept.items()}


def snapshot() -> dict[str, Schema]:
    """Return the schemas as they were last taken over."""
    found: dict[str, Schema] = json.loads(SNAPSHOT.read_text())
    return found


def breaks(old: dict[str, Schema], new: dict[str, Schema]) -> list[str]:
    """Return what in `new` breaks a consumer or the records of `old`, a sentence each."""
    found = [f"{topic}: the topic is gone" for topic in old.keys() - new.keys()]
    for topic in sorted(old.keys() & new.keys()):
        found += [f"{topic}: {problem}" for problem in _Comparison(old[topic], new[topic]).problems()]
    return found


class _Comparison:
    """Walks two schemas of one event side by side."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[str, str]] = set()

    def problems(self) -> list[str]:
        return list(self._differences("", self._old, self._new))

    def _differences(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        names = (old.get("$ref", path), new.get("$ref", path))
        if "$ref" in old and names in self._seen:
            return
        self._seen.add(names)
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        was, now = _kinds(old), _kinds(new)
        if was != now:
            yield f"{path or 'the event'} was {_or(was)} and is now {_or(now)}"
            return
        yield from self._values(path, old, new)
        yield from self._fields(path, old, new)
        for inner in ("items", "additionalProperties"):
            if isinstance(old.get(inner), dict) and isinstance(new.get(inner), dict):
                yield from self._differences(f"{path}[]", old[inner], new[inner])
        yield from self._alternatives(path, old, new)

    def _values(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        gone = [str(value) for value in old.get("enum", []) if value not in new.get("enum", [value])]
        if gone:
            yield f"{path} no longer takes {', '.join(gone)}"

    def _fields(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            place = f"{path}.{name}".lstrip(".")
            if name not in after:
                yield f"field {place} is gone (removed or renamed)"
            else:
                yield from self._differences(place, before[name], after[name])
        for name in new.get("required", []):
            if name not in old.get("required", []):
                place = f"{path}.{name}".lstrip(".")
                yield f"field {place} is required, and records without it exist: give it a default"

    def _alternatives(self, path: str, old: Schema, new: Schema) -> Iterator[str]:
        """Compare what stands under the same reference in a union, as in `StudentModel | None`."""
        after = {option.get("$ref", ""): option for option in new.get("anyOf", [])}
        for option in old.get("anyOf", []):
            if "$ref" in option and option["$ref"] in after:
                yield from self._differences(path, option, after[option["$ref"]])


def _resolved(schema: Schema, root: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return found


def _kinds(schema: Schema) -> set[str]:
    if "anyOf" in schema:
        return set().union(*(_kinds(option) for option in schema["anyOf"]))
    if "$ref" in schema:
        return {str(schema["$ref"].rsplit("/", 1)[1])}
    if "type" in schema:
        kind = (
            f"{schema['type']} ({encoding})"
            if (encoding := schema.get("contentEncoding"))
            else schema["type"]
        )
        return {kind}
    if "enum" in schema:
        return {f"one of some {type(value).__name__}s" for value in schema["enum"]}
    return {"anything"}


def _or(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true")
    what.add_argument("--write", action="store_true")
    parser.add_argument(
        "--break", action="store_true", dest="breaking", help="write a breaking change all the same"
    )
    args = parser.parse_args()
    problems = breaks(snapshot(), schemas()) if SNAPSHOT.exists() else []
    if problems and not (args.write and args.breaking):
        print("\n".join([*problems, ADVICE]), file=sys.stderr)
        return 1
    if args.check:
        if snapshot() != schemas():
            print(f"the schemas changed compatibly: take them over with `{UPDATE}`", file=sys.stderr)
            return 1
        return 0
    SNAPSHOT.write_text(json.dumps(schemas(), indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
