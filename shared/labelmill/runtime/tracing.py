"""Trace context through Kafka headers (W3C `traceparent`), and spans for the traces that are sampled.

Passing a header on costs nothing; a span per item would triple the cost of a hop. So every record
keeps its `traceparent`, and only records whose sampled flag is set get a span.
"""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from labelmill.runtime.settings import ServiceSettings

TRACEPARENT = "traceparent"
_SAMPLED = b"-01"
_propagator = TraceContextTextMapPropagator()


def configure(settings: ServiceSettings, service: str) -> TracerProvider:
    """Return the tracer provider; it exports over OTLP/HTTP if an endpoint is set."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"labelmill-{service}"}))
    if settings.otel_exporter_otlp_endpoint:
        endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider


def new_traceparent(trace_share: float) -> bytes:
    """Return a fresh trace context; a share of `trace_share` of them is sampled."""
    sampled = secrets.randbelow(1_000_000) < trace_share * 1_000_000
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{'01' if sampled else '00'}".encode()


def new_traceparents(trace_share: float, count: int) -> list[bytes]:
    """Return `count` fresh trace contexts at a tenth of the price of one by one."""
    digits = secrets.token_hex(28 * count).encode()
    limit = int(trace_share * 0x100000000)
    return [
        b"00-%b-%b-%b"
        % (
            digits[at : at + 32],
            digits[at + 32 : at + 48],
            b"01" if int(digits[at + 48 : at + 56], 16) < limit else b"00",
        )
        for at in range(0, 56 * count, 56)
    ]


def traceparent_of(record: ConsumerRecord) -> bytes | None:
    """Return the record's trace context as it came, or None. (A header of Kafka may have no value.)"""
    for name, value in record.headers:
        if name == TRACEPARENT and value is not None:
            return bytes(value)
    return None


def passed_on(record: ConsumerRecord) -> list[tuple[str, bytes]]:
    """Return the headers that a record made from `record` carries on."""
    value = traceparent_of(record)
    return [] if value is None else [(TRACEPARENT, value)]


def trace_id(traceparent: bytes | None) -> str:
    """Return the 32 hex digit trace id for a log line, or an empty string."""
    parts = (traceparent or b"").split(b"-")
    return parts[1].decode("ascii", "replace") if len(parts) == 4 else ""


@contextmanager
def batch_span(provider: TracerProvider, name: str, records: Iterable[ConsumerRecord]) -> Iterator[None]:
    """Record a span for each sampled record while the batch is handled."""
    # Looked at record by record on every hop: no call for each, only what is sampled is copied.
    sampled = [
        bytes(value)
        for record in records
        for name, value in record.headers
        if name == TRACEPARENT and value is not None and value[-3:] == _SAMPLED
    ]
    tracer = provider.get_tracer("labelmill")
    spans = [
        tracer.start_span(
            name,
            context=_propagator.extract({TRACEPARENT: value.decode("ascii", "replace")}),
            kind=trace.SpanKind.CONSUMER,
        )
        for value in sampled
    ]
    try:
        yield
    finally:
        for span in spans:
            span.end()
