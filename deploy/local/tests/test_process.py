"""Child processes: start, readiness, stop, kill, supervision, and life tied to the parent's."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from labelmill_local.errors import StackError
from labelmill_local.process import ChildProcess, Command, log_tail


def script(tmp_path: Path, source: str, *, grace_s: float = 5.0) -> Command:
    return Command("helper", [sys.executable, "-u", "-c", source], tmp_path / "helper.log", grace_s=grace_s)


def says(command: Command, word: str):
    async def probe() -> bool:
        return word in log_tail(command.log_file)

    return probe


async def until(condition, deadline_s: float = 20.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


async def test_start_waits_until_ready_and_stop_is_graceful(tmp_path: Path) -> None:
    source = "import signal, time, sys\nsignal.signal(15, lambda *_: sys.exit(print('bye')))\n"
    command = script(tmp_path, source + "time.sleep(.2); print('ready', flush=True); time.sleep(60)")
    child = ChildProcess(command)
    await child.start(says(command, "ready"), 20)
    assert child.running
    await child.stop()
    assert not child.running
    assert child.pid is None
    assert log_tail(command.log_file).endswith("bye")
    await child.stop()


async def test_child_has_a_session_of_its_own(tmp_path: Path) -> None:
    child = ChildProcess(script(tmp_path, "import time; time.sleep(60)"))
    await child.start()
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    await child.stop()


async def test_one_that_ignores_the_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    source = (
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    command = script(tmp_path, source, grace_s=0.3)
    child = ChildProcess(command)
    await child.start(says(command, "ready"), 20)
    await child.stop()
    assert await child.wait() == -signal.SIGKILL


async def test_stop_ends_grandchildren_in_other_sessions_too(tmp_path: Path) -> None:
    source = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " start_new_session=True)\n"
        "print('grandchild', p.pid, flush=True)\ntime.sleep(60)"
    )
    command = script(tmp_path, source)
    child = ChildProcess(command)
    await child.start(says(command, "grandchild"), 20)
    grandchild = int(log_tail(command.log_file).split()[1])
    await child.stop()
    await until(lambda: not psutil.pid_exists(grandchild))


async def test_an_early_end_is_told_with_the_last_line_of_the_log(tmp_path: Path) -> None:
    command = script(tmp_path, "raise SystemExit('no such thing')")
    with pytest.raises(StackError, match=r"helper ended at once \(exit status 1\): no such thing"):
        await ChildProcess(command).start(says(command, "ready"), 20)


async def test_a_child_that_never_gets_ready_is_stopped(tmp_path: Path) -> None:
    child = ChildProcess(script(tmp_path, "import time; time.sleep(60)"))
    with pytest.raises(StackError, match="was not ready after"):
        await child.start(says(child.command, "ready"), 0.3)
    assert not child.running


async def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    command = Command("ghost", ["/does/not/exist"], tmp_path / "ghost.log")
    with pytest.raises(StackError, match="cannot run /does/not/exist: No such file"):
        await ChildProcess(command).start(says(command, "ready"), 20)


async def test_a_supervised_child_comes_back_and_stays_stopped_when_stopped(tmp_path: Path) -> None:
    child = ChildProcess(script(tmp_path, "import time; time.sleep(60)"), restart_on_exit=True)
    await child.start()
    first = child.pid
    await child.kill()
    await until(lambda: child.running)
    assert child.restarts == 1
    assert child.pid != first
    await child.stop()
    await asyncio.sleep(1.0)
    assert not child.running


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of a parent's end")
async def test_children_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    source = f"""
import asyncio, sys, time
from pathlib import Path
from labelmill_local.process import ChildProcess, Command
async def main():
    argv = [sys.executable, '-c', 'import time; time.sleep(60)']
    child = ChildProcess(Command('c', argv, Path({str(tmp_path)!r}, 'c.log')))
    await child.start()
    print(child.pid, flush=True)
    time.sleep(60)
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as out:
        pid = int(await asyncio.to_thread(out.readline))
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_log_tail_of_nothing_is_empty(tmp_path: Path) -> None:
    assert log_tail(tmp_path / "none.log") == ""
