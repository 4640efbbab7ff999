"""The libraries that the page ships are those that were recorded."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_vendored_files_have_the_recorded_hashes() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "vendor_web.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_vendored_library_comes_with_its_licence() -> None:
    vendor = ROOT / "services/review-api/review_api/web/static/vendor"
    names = {path.stem.split("-")[0] for path in vendor.iterdir() if path.is_file()}
    licences = {path.stem for path in (vendor / "licences").iterdir()}
    assert {"dompurify" if name == "purify" else name for name in names} <= licences
