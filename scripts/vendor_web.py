"""Fetch the page's libraries with npm, check them against recorded hashes, and put them in place.

    python scripts/vendor_web.py            download everything again and write it
    python scripts/vendor_web.py --check    only compare what is in place with the recorded hashes
    python scripts/vendor_web.py --record   like the first, but record the hashes found (for a new version)

Names, versions, licences and hashes are in vendor_web.json beside this file.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECORD = Path(__file__).with_suffix(".json")


def main() -> int:
    """Return the exit status: 0 when every file is as recorded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only; needs no network")
    parser.add_argument("--record", action="store_true", help="accept and record the hashes found")
    arguments = parser.parse_args()
    record = json.loads(RECORD.read_text())
    if arguments.check:
        return report(missing_or_changed(record))
    if shutil.which("npm") is None:
        return report(["npm is needed to fetch the packages: on Debian or Ubuntu run 'apt-get install npm'"])
    with tempfile.TemporaryDirectory() as folder:
        for package in record["packages"]:
            unpacked = fetch(package, Path(folder), accept=arguments.record)
            place(package, unpacked, accept=arguments.record)
            print(f"{package['name']} {package['version']} ({package['licence']})")
    if arguments.record:
        RECORD.write_text(json.dumps(record, indent=2) + "\n")
    return report(missing_or_changed(record))


def fetch(package: dict[str, Any], folder: Path, *, accept: bool) -> Path:
    """Return the folder with the unpacked package. Raises SystemExit if its hash is not as recorded."""
    wanted = f"{package['name']}@{package['version']}"
    target = folder / str(package["name"]).replace("/", "-").lstrip("@")
    target.mkdir()
    subprocess.run(["npm", "pack", "--silent", wanted], cwd=target, check=True, stdout=subprocess.DEVNULL)
    tarball = next(target.glob("*.tgz"))
    found = sha256(tarball.read_bytes())
    if accept:
        package["sha256"] = found
    elif found != package["sha256"]:
        raise SystemExit(f"{wanted}: the package has sha256 {found}, recorded is {package['sha256']}")
    with tarfile.open(tarball) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def place(package: dict[str, Any], unpacked: Path, *, accept: bool) -> None:
    """Write the package's files to where the record says, with the replacements it names."""
    for entry in package["files"]:
        content = (unpacked / entry["from"]).read_bytes()
        for old, new in entry.get("replace", {}).items():
            if old.encode() not in content:
                raise SystemExit(f"{package['name']}: {entry['from']} does not contain {old!r}")
            content = content.replace(old.encode(), new.encode())
        if accept:
            entry["sha256"] = sha256(content)
        path = ROOT / entry["to"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def missing_or_changed(record: dict[str, Any]) -> list[str]:
    """Return a sentence for every vendored file that is not as recorded."""
    problems = []
    for package in record["packages"]:
        for entry in package["files"]:
            path = ROOT / entry["to"]
            if not path.is_file():
                problems.append(f"{entry['to']} is missing: run scripts/vendor_web.py")
            elif sha256(path.read_bytes()) != entry["sha256"]:
                problems.append(f"{entry['to']} differs from what is recorded: run scripts/vendor_web.py")
    return problems


def report(problems: list[str]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
