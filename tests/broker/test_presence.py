"""Who may still publish: the broker stays for them, and for nobody who is gone."""

from causal.broker.presence import SILENT_AFTER_S, Presence


def test_the_broker_stays_until_all_have_said_bye():
    presence = Presence()
    presence.hello("stt-1", 10.0)
    presence.hello("resample-1", 10.0)
    presence.bye("stt-1")
    assert presence.anybody(10.5)
    presence.bye("resample-1")
    assert not presence.anybody(10.5)


def test_a_publisher_that_was_killed_is_waited_for_only_until_it_has_been_silent_for_long():
    presence = Presence()
    presence.hello("stt-1", 10.0)
    assert presence.anybody(10.0 + SILENT_AFTER_S - 0.1)
    assert not presence.anybody(10.0 + SILENT_AFTER_S)


def test_each_hello_counts_anew():
    presence = Presence()
    for now_s in range(10):
        presence.hello("stt-1", float(now_s))
    assert presence.anybody(9.0 + SILENT_AFTER_S - 0.1)


def test_a_bye_from_a_stranger_is_no_matter():
    presence = Presence()
    presence.bye("nobody")
    assert not presence.anybody(0.0)


def test_publishers_that_come_and_go_are_not_remembered_for_ever():
    presence = Presence()
    for number in range(10_000):
        presence.hello(f"sink-{number}", float(number))
    assert len(presence) <= SILENT_AFTER_S + 1
