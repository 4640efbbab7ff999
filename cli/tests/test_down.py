"""`labelmill down` at the moment in which the system has gone and its folder is not free yet."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Labelmill = Callable[..., object]

STOPS_SLOWLY = """
import fcntl, os, signal, sys, time
lock = open(sys.argv[1], "a+")
fcntl.flock(lock, fcntl.LOCK_EX)

def stop(*_):
    lock.truncate(0)
    time.sleep(0.5)
    sys.exit()

signal.signal(signal.SIGTERM, stop)
lock.write(str(os.getpid()))
lock.flush()
print("ready", flush=True)
time.sleep(60)
"""


def test_a_folder_that_is_held_without_a_name_is_waited_for(labelmill: Labelmill, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", STOPS_SLOWLY, str(tmp_path / "lock")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        outcome = labelmill("down", "--home", str(tmp_path))
    assert "stopped" in outcome.err, outcome  # type: ignore[attr-defined]
    assert holder.returncode == 0
