"""Which workers there are, by what they say themselves."""

import pytest

from causal.control.registry import FORGOTTEN_AFTER_S, MAX_WORKERS, PAUSED_AFTER_S, SILENT_AFTER_S, Registry
from causal.errors import CausalError
from causal.messages import QueueDepth
from causal.messages.control import Assignments, Fault


def poll(service: str = "stt", instance: str = "1", process: str = "a", **fields: object) -> Assignments:
    return Assignments(service=service, instance=instance, incarnation=process, pid=7, **fields)


def listening(since_s: float = 0.0, until_s: float = 0.0) -> Registry:
    registry = Registry()
    now_s = since_s
    while now_s <= until_s:
        registry.look(now_s)
        now_s += PAUSED_AFTER_S / 2
    return registry


def test_a_worker_lives_as_long_as_it_polls():
    registry = listening()
    registry.hear(poll(), 10.0)
    assert list(registry.alive("stt", 10.0 + SILENT_AFTER_S - 0.1)) == ["1"]
    assert registry.alive("stt", 10.0 + SILENT_AFTER_S) == {}
    assert registry.alive("resample", 10.0) == {}


def test_a_worker_is_gone_after_a_silence():
    registry = listening(until_s=20.0)
    registry.hear(poll(), 10.0)
    assert not registry.gone("stt", "1", 10.0 + SILENT_AFTER_S - 0.1)
    assert registry.gone("stt", "1", 10.0 + SILENT_AFTER_S)


def test_a_worker_that_was_never_heard_is_gone_when_it_had_the_time_to_speak():
    registry = listening(since_s=10.0, until_s=20.0)
    assert not registry.gone("stt", "1", 10.0 + SILENT_AFTER_S - 0.1)
    assert registry.gone("stt", "1", 10.0 + SILENT_AFTER_S)


def test_nobody_is_gone_because_the_controller_stood_still():
    registry = listening(until_s=10.0)
    registry.hear(poll(), 10.0)
    registry.look(60.0)
    assert not registry.gone("stt", "1", 60.0)
    assert not registry.gone("stt", "1", 60.0 + SILENT_AFTER_S - 0.1)
    assert registry.gone("stt", "1", 60.0 + SILENT_AFTER_S)


def test_before_the_first_look_nobody_is_gone():
    assert not Registry().gone("stt", "1", 1000.0)


def test_a_status_is_told_once_a_second_even_by_a_new_process():
    registry = listening()
    told = []
    for fifths in range(15):
        worker = registry.hear(poll(process=str(fifths)), fifths / 5)
        if registry.news(worker, fifths / 5):
            told.append(fifths)
    assert told == [0, 5, 10]


def test_a_poll_that_comes_a_little_early_is_told_too():
    registry = listening()
    moments_s = [0.0, 0.91, 2.0, 2.93]
    assert all(registry.news(registry.hear(poll(), now_s), now_s) for now_s in moments_s)


def test_a_status_has_what_the_worker_said():
    registry = listening()
    queues = {"chunks": QueueDepth(depth=1, capacity=2, dropped=3)}
    worker = registry.hear(poll(cpu_percent=12.345, rss_bytes=99, queues=queues), 0.0)
    status = registry.news(worker, 0.0)
    assert status is not None
    assert (status.pid, status.cpu_percent, status.rss_bytes, status.queues) == (7, 12.3, 99, queues)


def test_a_dead_worker_is_shown_for_a_while():
    registry = listening()
    fault = Fault(code="disk-full", message="full")
    registry.hear(poll(fault=fault), 0.0)
    (view,) = registry.views(FORGOTTEN_AFTER_S - 1)
    assert (view.alive, view.fault) == (False, fault)
    assert registry.views(FORGOTTEN_AFTER_S) == []


def test_workers_are_shown_in_order():
    registry = listening()
    for service, instance in (("stt", "2"), ("capture", "1"), ("stt", "1")):
        registry.hear(poll(service, instance), 0.0)
    shown = [(view.status.service, view.status.instance) for view in registry.views(0.0)]
    assert shown == [("capture", "1"), ("stt", "1"), ("stt", "2")]


def test_a_flood_of_names_is_refused_and_the_known_go_on():
    registry = listening()
    registry.hear(poll(), 0.0)
    with pytest.raises(CausalError) as refusal:
        for number in range(MAX_WORKERS + 1):
            registry.hear(poll("fake", str(number)), 0.1)
    assert refusal.value.code == "busy"
    assert registry.hear(poll(), 0.2)
    assert registry.hear(poll("new"), FORGOTTEN_AFTER_S + 0.2), "the silent make room"
