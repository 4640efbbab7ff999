"""The AsyncAPI document: who sends and receives what, from the wired services and the table of topics.

What a service receives is read from its FastStream broker and its followers, as its `build` wires them;
the table of topics says the same from the topics' side, and the two must agree. Payloads come from the
event types.
"""

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from docs_source import SERVICES, field_docs, one_line
from faststream.kafka import KafkaBroker
from labelmill import acceptance, events, projects, quality, releases
from labelmill.bootstrap import DLQ_CONFIG, topic_config
from labelmill.runtime import dlq
from labelmill.runtime.compacted import Follower
from labelmill.runtime.settings import KafkaSettings
from labelmill.topics import TOPICS, Topic
from pydantic_settings import BaseSettings

Document = dict[str, Any]

_GROUP_OF_FOLLOWER = ""
_MODULES = (events, projects.spec, projects.review, releases, acceptance, quality)

_DLQ_HEADERS = {
    dlq.REASON: "Short stable code of what is wrong.",
    dlq.DETAIL: "A sentence for the person who looks.",
    dlq.SERVICE: "The service that could not use the record.",
    dlq.AT: "When, in Unix milliseconds.",
    dlq.TOPIC: "Topic the record came from.",
    dlq.PARTITION: "Partition it came from.",
    dlq.OFFSET: "Offset it had there.",
    dlq.RETRIED: "On a marker without a value: the origin `topic/partition/offset` that was sent back.",
}


class Mismatch(Exception):
    """The table of topics and the wiring of a service say different things."""


def asyncapi(version: str) -> Document:
    """Return the document. Raises Mismatch."""
    received = {service: receivers(service) for service in SERVICES}
    _check(received)
    bootstrap_servers = KafkaSettings.model_fields["kafka_bootstrap_servers"].default
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "labelmill",
            "version": version,
            "description": "The topics through which labelmill's services talk. Every hop is at least once; "
            "event ids are deterministic and sinks idempotent, so the outcome is exactly once.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": bootstrap_servers,
                "protocol": "kafka",
                "description": "The local stack; a deployment sets KAFKA_BOOTSTRAP_SERVERS.",
            }
        },
        "channels": _channels(),
        "operations": dict(sorted(_operations(received))),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def receivers(service: str) -> dict[str, str]:
    """Return what a service receives: topic name to consumer group, "" for the followers."""
    built = importlib.import_module(f"{SERVICES[service]}.app").build(settings_of(service)())
    found: dict[str, str] = {}
    for component in built.components:
        if isinstance(component, KafkaBroker):
            for subscriber in component.subscribers:
                # The Kafka classes of FastStream know their topics and group; the base class does not.
                kafka: Any = subscriber
                found |= dict.fromkeys(kafka.topic_names, kafka.group_id)
        if isinstance(component, Follower):
            found[component.topic.name] = _GROUP_OF_FOLLOWER
    return found


def settings_of(service: str) -> type[BaseSettings]:
    """Return the settings class that a service's `build` takes."""
    module = importlib.import_module(f"{SERVICES[service]}.settings")
    own = [value for value in vars(module).values() if _is_settings_of(module.__name__, value)]
    leaf: type[BaseSettings] = next(cls for cls in own if not any(cls in other.__mro__[1:] for other in own))
    return leaf


def _is_settings_of(module: str, value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseSettings) and value.__module__ == module


def _check(received: Mapping[str, Mapping[str, str]]) -> None:
    for service, topics in received.items():
        declared = {topic.name for topic in TOPICS if service in topic.consumers}
        if declared != set(topics):
            raise Mismatch(
                f"{service} reads {sorted(topics)}, but shared/labelmill/topics.py says {sorted(declared)}: "
                "mend one of them"
            )


def _channels() -> Document:
    channels: Document = {}
    for topic in TOPICS:
        channels[topic.name] = _channel(
            topic.name, topic.description, topic.event.__name__, topic.partitions, topic_config(topic)
        )
    for topic in TOPICS:
        if topic.dlq:
            about = f"Records of `{topic.name}` that could not be used, with the reason and where they were."
            channels[topic.dlq] = _channel(topic.dlq, about, "DeadLetter", 1, DLQ_CONFIG)
    return channels


def _channel(
    address: str, description: str, message: str, partitions: int, config: Mapping[str, str]
) -> Document:
    binding: Document = {"topic": address, "bindingVersion": "0.5.0"}
    binding["partitions"] = partitions or KafkaSettings.model_fields["kafka_partitions"].default
    binding["topicConfiguration"] = _topic_configuration(config)
    return {
        "address": address,
        "description": description,
        "servers": [{"$ref": "#/servers/local"}],
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {"kafka": binding},
    }


def _topic_configuration(config: Mapping[str, str]) -> Document:
    typed: Document = {name: int(value) for name, value in config.items() if value.isdigit()}
    if "cleanup.policy" in config:
        typed["cleanup.policy"] = config["cleanup.policy"].split(",")
    return typed


def _operations(received: Mapping[str, Mapping[str, str]]) -> Iterable[tuple[str, Document]]:
    for topic in TOPICS:
        for service in topic.producer.split(", "):
            yield _operation(service, "send", topic.name, topic.event.__name__)
        for service in topic.consumers:
            group = received[service][topic.name]
            yield _operation(service, "receive", topic.name, topic.event.__name__, group)
            if topic.dlq:
                yield _operation(service, "send", topic.dlq, "DeadLetter")


def _operation(
    service: str, action: str, address: str, message: str, group: str = ""
) -> tuple[str, Document]:
    operation: Document = {
        "action": action,
        "title": f"{service} {action}s {address}",
        "channel": {"$ref": f"#/channels/{address}"},
        "messages": [{"$ref": f"#/channels/{address}/messages/{message}"}],
        "tags": [{"name": service}],
    }
    if group:
        operation["bindings"] = {
            "kafka": {"groupId": {"type": "string", "enum": [group]}, "bindingVersion": "0.5.0"}
        }
    elif action == "receive":
        operation["description"] = "Every process reads the whole topic from its beginning, without a group."
    return f"{service}.{action}.{address}", operation


def _messages() -> Document:
    trace = {"traceparent": {"type": "string", "description": "W3C trace context of the item."}}
    messages = {
        topic.event.__name__: {
            "name": topic.event.__name__,
            "title": topic.event.__name__,
            "summary": one_line(topic.event.__doc__),
            "contentType": "application/json",
            "headers": {"type": "object", "properties": trace},
            "payload": {"$ref": f"#/components/schemas/{topic.event.__name__}"},
            "bindings": _key_binding(topic),
        }
        for topic in TOPICS
    }
    reasons = {name: {"type": "string", "description": text} for name, text in _DLQ_HEADERS.items()}
    messages["DeadLetter"] = {
        "name": "DeadLetter",
        "title": "DeadLetter",
        "summary": "A record that could not be used: value, key and headers as they came, and why.",
        "headers": {"type": "object", "properties": {**trace, **reasons}},
        "payload": {"description": "The bytes of the original record, whatever they are."},
    }
    return messages


def _key_binding(topic: Topic) -> Document:
    key = {"type": "string", "description": f"`{topic.key}`, in UTF-8"}
    return {"kafka": {"key": key, "bindingVersion": "0.5.0"}}


def _schemas() -> Document:
    types = [topic.event for topic in TOPICS]
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for name, schema in schemas.items():
        _describe(schema, _struct_named(name))
    return dict(sorted(schemas.items()))


def _describe(schema: Document, cls: type) -> None:
    schema["description"] = one_line(schema.get("description"))
    docs = {name: text for base in reversed(cls.__mro__[:-1]) for name, text in _docs_of(base).items()}
    for name, property_schema in schema.get("properties", {}).items():
        if name in docs:
            property_schema["description"] = docs[name]


def _docs_of(cls: type) -> dict[str, str]:
    is_ours = cls.__module__.startswith("labelmill.")
    return field_docs(cls) if is_ours else {}


def _struct_named(name: str) -> type:
    found: type = next(vars(module)[name] for module in _MODULES if name in vars(module))
    return found
