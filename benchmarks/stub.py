"""The stub LLM as a process of its own, on a free port."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from labelmill_local.ports import accepts, free_port
from labelmill_local.process import ChildProcess, Command


@contextlib.asynccontextmanager
async def llm_stub(folder: Path, latency_ms: int) -> AsyncIterator[str]:
    """Run the stub and yield its base URL."""
    port = free_port()
    argv = [sys.executable, "-m", "labelmill_stubs.llm", "--port", str(port), "--latency-ms", str(latency_ms)]
    process = ChildProcess(Command(name="llm-stub", argv=argv, log_file=folder / "logs" / "llm-stub.log"))
    await process.start(lambda: accepts(port))
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await process.stop()
