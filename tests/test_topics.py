"""Topics: a subscription lets through what was wanted, and never leaves it out."""

import pytest

from causal import topics


def test_a_topic_has_type_session_and_source():
    assert topics.event("gap", "s-1", "mic") == b"gap/s-1/mic/"
    assert topics.event("service-status") == b"service-status/-/-/"
    assert topics.kind_of(b"gap/s-1/mic/") == "gap"


@pytest.mark.parametrize(
    ("wanted", "prefix"),
    [
        ({}, b""),
        ({"kind": "gap"}, b"gap/"),
        ({"kind": "gap", "session": "s"}, b"gap/s/"),
        ({"kind": "gap", "session": "s", "source": "mic"}, b"gap/s/mic/"),
        ({"kind": "gap", "source": "mic"}, b"gap/"),
        ({"session": "s"}, b""),
    ],
)
def test_a_subscription_is_the_longest_prefix_of_all_that_is_wanted(wanted, prefix):
    assert topics.subscription(**wanted) == prefix


def test_a_source_does_not_let_its_namesakes_through():
    prefix = topics.subscription("gap", "s", "mic")
    assert topics.event("gap", "s", "mic").startswith(prefix)
    assert not topics.event("gap", "s", "mic-2").startswith(prefix)
    assert not topics.next_block("s/mic-2").startswith(topics.next_block("s/mic"))


@pytest.mark.parametrize("topic", [b"", b"/", b"\xff\xfe/", b"no slash"])
def test_a_topic_of_any_bytes_has_a_type(topic):
    assert isinstance(topics.kind_of(topic), str)
