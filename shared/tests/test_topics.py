"""The table of topics is whole: names differ, events are decodable, DLQs are where they belong."""

from collections import Counter

from labelmill.bootstrap import DLQ_CONFIG, topic_config
from labelmill.events import EventDecoder
from labelmill.topics import DAY_MS, TOPICS, item_key


def test_names_differ_and_every_topic_has_producer_consumers_and_words() -> None:
    assert max(Counter(topic.name for topic in TOPICS).values()) == 1
    for topic in TOPICS:
        assert topic.producer
        assert topic.consumers
        assert topic.description.endswith(".")
        EventDecoder(topic.event)


def test_compacted_topics_keep_everything_in_one_partition_and_have_no_dlq() -> None:
    for topic in TOPICS:
        if topic.compacted:
            assert (topic.dlq, topic.partitions, topic.key) == (None, 1, "project")
            assert topic_config(topic)["cleanup.policy"] == "compact"
        else:
            assert (topic.dlq, topic.partitions) == (f"{topic.name}.dlq", 0)
            assert topic_config(topic)["cleanup.policy"] == "compact,delete"
            assert int(topic_config(topic)["retention.ms"]) >= 24 * 3600 * 1000


def test_tombstones_take_effect_in_every_topic_long_before_its_records_end() -> None:
    for topic in TOPICS:
        config = topic_config(topic)
        assert int(config["max.compaction.lag.ms"]) <= DAY_MS
    assert int(DLQ_CONFIG["max.compaction.lag.ms"]) < int(DLQ_CONFIG["retention.ms"])


def test_item_keys_hold_project_and_item() -> None:
    assert item_key("tweets", "é/1") == "tweets/é/1".encode()
