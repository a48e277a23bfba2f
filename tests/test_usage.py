"""What a process takes of the machine: itself, measured."""

import time

from causal import usage as usage_module
from causal.usage import Usage


def test_who_works_all_the_time_takes_a_good_part_of_a_core(monkeypatch):
    monkeypatch.setattr(usage_module, "MEASURE_EVERY_S", 0.0)
    usage = Usage()
    begun_s = time.process_time()
    while time.process_time() - begun_s < 0.2:
        pass
    usage.look()
    assert usage.cpu_percent > 1.0
    time.sleep(0.2)  # a rest, which is what is measured here
    usage.look()
    assert usage.cpu_percent < 50.0


def test_memory_is_known_at_the_first_look():
    usage = Usage()
    usage.look()
    assert usage.rss_bytes > 1 << 20


def test_who_asks_often_gets_the_same_answer(monkeypatch):
    monkeypatch.setattr(usage_module, "MEASURE_EVERY_S", 3600.0)
    usage = Usage()
    usage.look()
    assert usage.cpu_percent == 0.0, "it is too soon to measure"
