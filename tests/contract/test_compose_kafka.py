"""The broker's variables in the compose file, on the broker itself.

The image apache/kafka turns its variables into a configuration with a class of Kafka's own jar. So the same
class runs here on the same variables, and the broker is started on what it writes.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from labelmill import bootstrap
from labelmill.runtime.settings import KafkaSettings
from labelmill_local.jars import class_path
from labelmill_local.java import java_binary
from labelmill_local.pin import KAFKA_VERSION
from labelmill_local.ports import free_port
from labelmill_local.process import ChildProcess, Command


def java() -> list[str]:
    class_paths = ":".join(str(jar) for jar in class_path(print))
    return [str(java_binary(own=False)), "-Xmx384m", "-cp", class_paths]


def test_the_image_is_the_version_that_the_tests_run_on(compose: dict[str, Any]) -> None:
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def _replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


@pytest.mark.slow
async def test_the_broker_starts_on_its_variables(compose: dict[str, Any], tmp_path: Path) -> None:
    port = free_port()
    controller = free_port(but=[port])
    spec = compose["services"]["kafka"]
    assert f"kafka:{spec['environment']['KAFKA_LOG_DIRS']}" in spec["volumes"]
    here = {
        "//kafka:9092": f"//127.0.0.1:{port}",
        "//:9092": f"//127.0.0.1:{port}",
        ":9093": f":{controller}",
    }
    environ = {name: _replaced(str(value), here) for name, value in spec["environment"].items()}
    environ["KAFKA_LOG_DIRS"] = str(tmp_path / "data")
    folders = {name: tmp_path / name for name in ("default", "mounted", "final")}
    for folder in folders.values():
        folder.mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (folders["default"] / name).touch()

    flags = ["-D", folders["default"], "-M", folders["mounted"], "-F", folders["final"]]
    command = [*java(), "kafka.docker.KafkaDockerWrapper", "setup", *map(str, flags)]
    made = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr

    properties = folders["final"] / "server.properties"
    log = tmp_path / "kafka.log"
    broker = ChildProcess(Command("kafka", [*java(), "kafka.Kafka", str(properties)], log, grace_s=20.0))
    settings = KafkaSettings(kafka_bootstrap_servers=f"127.0.0.1:{port}", kafka_partitions=1)

    async def answers() -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
        try:
            await admin.start()
            return True
        except Exception:
            return False
        finally:
            await admin.close()

    try:
        await broker.start(answers, 120.0)
        made_topics = await bootstrap.create_topics(settings)
        assert "items" in made_topics
        assert await bootstrap.create_topics(settings) == []
    finally:
        await broker.stop()
