"""One Apache Kafka node (KRaft, broker and controller in one) on the loopback interface."""

import asyncio
import fcntl
import logging
import os
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from labelmill_local.errors import StackError
from labelmill_local.jars import class_path
from labelmill_local.java import java_binary
from labelmill_local.pin import KAFKA_VERSION
from labelmill_local.ports import HOST, accepts, free_port, require_free
from labelmill_local.process import ChildProcess, Command, log_tail

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_READY_DEADLINE_S = 90.0
_FORMAT_DEADLINE_S = 60.0
_OLD_BROKER_DEADLINE_S = 20.0
_log = logging.getLogger(__name__)


class Kafka:
    """A broker whose state is one folder; starting again on the same folder goes on where it stopped.

    `port` 0 takes a free one, and keeps it over restarts of this object. `heap_mb` is the JVM's -Xmx in MiB.
    """

    version = KAFKA_VERSION

    def __init__(
        self,
        state_dir: Path,
        *,
        port: int = 0,
        heap_mb: int = 512,
        own_java: bool = False,
        restart_on_exit: bool = False,
        say: Callable[[str], None] = _log.info,
    ) -> None:
        self._state_dir = state_dir.absolute()
        self._fixed_port = port != 0
        self.port = port or free_port()
        self._controller_port = free_port(but=[self.port])
        self._heap_mb = heap_mb
        self._own_java = own_java
        self._restart_on_exit = restart_on_exit
        self._say = say
        self._child: ChildProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """What clients are told: host:port."""
        return f"{HOST}:{self.port}"

    @property
    def log_file(self) -> Path:
        """What the broker writes to its console."""
        return self._state_dir / "kafka.log"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._child.pid if self._child else None

    @property
    def running(self) -> bool:
        """True between a start and the broker's end."""
        return self._child is not None and self._child.running

    async def start(self) -> None:
        """Fetch what is missing, format the storage the first time, start, and wait until clients are served.

        Raises StackError if the port is taken, the jars cannot be had, or the broker does not come up.
        """
        await self._wait_for_old_broker()
        if self._fixed_port:
            require_free(self.port, "the broker", "LABELMILL_KAFKA_PORT")
        jars = await asyncio.to_thread(class_path, self._say)
        java = await asyncio.to_thread(java_binary, self._own_java)
        self._state_dir.mkdir(parents=True, exist_ok=True)
        config = self._write_config()
        command = self._java(java, jars)
        await self._format_once(command, config)
        self._child = ChildProcess(
            Command("kafka", [*command, "kafka.Kafka", str(config)], self.log_file, grace_s=20.0),
            restart_on_exit=self._restart_on_exit,
        )
        await self._child.start(self.answers, _READY_DEADLINE_S)

    async def stop(self) -> None:
        """End the broker in order: it flushes its logs, so that the next start need not recover them."""
        if self._child is not None:
            await self._child.stop()

    async def kill(self) -> None:
        """SIGKILL the broker, as a crash would."""
        if self._child is not None:
            await self._child.kill()

    async def restart(self) -> None:
        """Stop and start on the same port and folder."""
        await self.stop()
        await self.start()

    async def answers(self) -> bool:
        """True if a client gets metadata that names a live broker (an open port comes earlier)."""
        if not await accepts(self.port):
            return False
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=2000)
        try:
            await client.bootstrap()
            return bool(client.cluster.brokers())
        except (KafkaError, OSError):
            return False
        finally:
            await client.close()

    async def _wait_for_old_broker(self) -> None:
        """A broker whose parent was killed is on its way out; it locks its data folder to the end."""
        deadline = time.monotonic() + _OLD_BROKER_DEADLINE_S
        while _locked(self._state_dir / "data" / ".lock"):
            if time.monotonic() > deadline:
                raise StackError(f"another Kafka runs on {self._state_dir}: stop it first")
            await asyncio.sleep(0.1)

    def _java(self, java: Path, jars: list[Path]) -> list[str]:
        return [
            str(java),
            f"-Xmx{self._heap_mb}m",
            f"-Xms{min(self._heap_mb, 256)}m",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
            "-cp",
            os.pathsep.join(str(jar) for jar in jars),
        ]

    async def _format_once(self, command: list[str], config: Path) -> None:
        if (self._state_dir / "data" / "meta.properties").exists():
            return
        tool = ChildProcess(
            Command(
                "kafka format",
                [*command, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(config)],
                self.log_file,
            )
        )
        await tool.start()
        try:
            async with asyncio.timeout(_FORMAT_DEADLINE_S):
                status = await tool.wait()
        finally:
            await tool.stop()
        if status != 0:
            raise StackError(f"Kafka could not format {self._state_dir}: {log_tail(self.log_file, 1)}")

    def _write_config(self) -> Path:
        path = self._state_dir / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in self._settings().items()))
        return path

    def _settings(self) -> dict[str, str | int]:
        broker, controller = f"PLAINTEXT://{HOST}:{self.port}", f"CONTROLLER://{HOST}:{self._controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": f"{broker},{controller}",
            "advertised.listeners": broker,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "log.dirs": str(self._state_dir / "data"),
            **_SINGLE_NODE,
        }


# What differs from Kafka's defaults, which are meant for clusters of big machines.
_SINGLE_NODE: dict[str, str | int] = {
    "default.replication.factor": 1,
    "min.insync.replicas": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 8,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 8,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "message.max.bytes": MAX_MESSAGE_BYTES,
    "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
    "socket.request.max.bytes": 64 * 1024 * 1024,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "log.segment.bytes": 128 * 1024 * 1024,
    "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    # After a crash the controller waits this long for the broker that died before it lets the new one in.
    "broker.session.timeout.ms": 4000,
    "broker.heartbeat.interval.ms": 500,
}


def _locked(path: Path) -> bool:
    """True if another process holds the lock that Kafka takes on this file."""
    try:
        with path.open("r+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _cluster_id() -> str:
    """A random id in the form Kafka writes them: 16 bytes, URL-safe base64, not starting with a dash."""
    while True:
        text = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
