"""`python -m labelmill_local.pin`: resolve Kafka's jars anew and write their checksums into the package.

For maintainers, when the Kafka version changes. Review the diff: from then on every user runs these bytes.
"""

import sys
import tempfile
from pathlib import Path

from jgo.parse import Coordinate

from labelmill_local.jars import PINS_FILE, Pin, maven, sha256_of, write_pins

KAFKA_VERSION = "4.3.1"
# slf4j-simple rather than slf4j-nop: at level WARN it is as quiet, and a broker that cannot start says why.
_ROOTS = (("org.apache.kafka", "kafka_2.13", KAFKA_VERSION), ("org.slf4j", "slf4j-simple", "1.7.36"))


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        context = maven(Path(cache))
        roots = [context.create_dependency(Coordinate(g, a, v, scope="compile")) for g, a, v in _ROOTS]
        found, behind = context.resolver.resolve(roots)
        wanted = [*found, *(dep for dep in behind if dep.scope in ("compile", "runtime"))]
        pins = [Pin(d.groupId, d.artifactId, d.version, sha256_of(d.artifact.resolve())) for d in wanted]
    PINS_FILE.write_text(write_pins(pins))
    sys.stdout.write(f"{len(pins)} jars pinned in {PINS_FILE.name}\n")


if __name__ == "__main__":
    main()
