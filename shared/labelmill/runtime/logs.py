"""Structured logs: one JSON object a line (or a readable line on a terminal), on standard error."""

import logging
import sys

import structlog
from structlog.typing import Processor

from labelmill.runtime.settings import ServiceSettings

_QUIET = {
    "aiokafka": logging.WARNING,
    "asyncio": logging.WARNING,
    "faststream": logging.ERROR,  # it warns at every start that topics are not created: bootstrap does that
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,  # a line a request: at hundreds of LLM calls a second, a tenth of their cost
}


def configure(settings: ServiceSettings, service: str) -> None:
    """Set up structlog and the standard library's logging alike; call once, from `__main__`."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer = _json() if settings.log_format == "json" else [_readable()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    structlog.contextvars.bind_contextvars(service=service)


# Tracebacks without local variables: those hold passwords, tokens and people's texts.


def _json() -> list[Processor]:
    transformer = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(transformer), structlog.processors.JSONRenderer()]


def _readable() -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
