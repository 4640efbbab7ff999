"""Preparing a deployment: what the broker says about each topic."""

from types import SimpleNamespace

import pytest
from labelmill.bootstrap import check_created
from labelmill.errors import BootstrapFailed


def test_a_topic_that_is_there_by_now_is_fine() -> None:
    check_created(SimpleNamespace(topic_errors=[("items", 0, None), ("projects", 36, "exists")]))  # type: ignore[arg-type]


def test_refused_topics_are_named_with_the_reason() -> None:
    response = SimpleNamespace(
        topic_errors=[("items", 38, "Replication factor: 3 larger than 1"), ("releases", 29, None)]
    )
    with pytest.raises(BootstrapFailed) as caught:
        check_created(response)  # type: ignore[arg-type]
    assert "items: InvalidReplicationFactorError (Replication factor: 3 larger than 1)" in str(caught.value)
    assert "releases: TopicAuthorizationFailedError" in str(caught.value)
