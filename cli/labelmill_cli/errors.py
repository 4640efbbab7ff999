"""Errors as the person at the keyboard reads them: one sentence that says what to do."""

import httpx
from aiokafka.errors import KafkaConnectionError, KafkaError
from labelmill.errors import LabelmillError
from pydantic import ValidationError


class CliError(LabelmillError):
    """Something that the person at the keyboard can put right; the message says how."""


class ApiError(CliError):
    """A refusal by the server, with its status and its code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


_ELSEWHERE = "start it with `labelmill up`, or set {} to where it runs"


def sentence(error: Exception) -> str:
    """Return what to tell the person about `error`."""
    match error:
        case LabelmillError():
            said = str(error)
        case ValidationError():
            said = _about_settings(error)
        case httpx.TimeoutException():
            said = f"{_host(error)} does not answer in time: wait a moment and try again"
        case httpx.TransportError():
            said = f"cannot reach {_host(error)}: {_ELSEWHERE.format('LABELMILL_URL')}"
        case KafkaConnectionError():
            said = f"cannot reach Kafka: {_ELSEWHERE.format('KAFKA_BOOTSTRAP_SERVERS')}"
        case KafkaError():
            said = f"Kafka refused: {error}"
        case OSError() if error.filename:
            said = f"cannot use {error.filename}: {(error.strerror or 'unknown reason').lower()}"
        case _:
            said = f"unexpected {type(error).__name__}: {error} (LABELMILL_DEBUG=1 shows where)"
    return said


def _host(error: httpx.TransportError) -> str:
    try:
        url = error.request.url
    except RuntimeError:
        return "the server"
    return f"{url.scheme}://{url.netloc.decode()}"


def _about_settings(error: ValidationError) -> str:
    first = error.errors()[0]
    name = "_".join(str(part) for part in first["loc"]).upper()
    return f"{name}: {first['msg'][0].lower()}{first['msg'][1:]}"
