from itertools import pairwise

import pytest

from causal.testing.fault_schedule import (
    ENGINE_TARGETS,
    FIRST_S,
    LAST_S,
    LONG_FAULTS,
    REST_S,
    SERVICE_FAULTS,
    SPACING_S,
    TARGETS,
    WORKERS,
    Fault,
    plan,
)


def test_the_same_seed_gives_the_same_faults():
    assert plan(7, 10) == plan(7, 10)
    assert plan(7, 10) != plan(8, 10)


@pytest.mark.parametrize("seed", range(5))
def test_a_fault_comes_every_5_to_15_s_and_none_begins_before_the_last_is_over(seed):
    faults = plan(seed, 20)
    assert faults[0].at_s == FIRST_S
    assert 20 * 60 - LAST_S - SPACING_S[1] - REST_S <= faults[-1].at_s <= 20 * 60 - LAST_S
    for one, two in pairwise(faults):
        length_s = 0.0 if one.is_long else one.length_s
        assert SPACING_S[0] - 0.02 <= two.at_s - one.at_s <= max(SPACING_S[1], length_s + REST_S) + 0.02
        assert two.at_s >= one.at_s + length_s + REST_S - 0.02


def test_in_an_outage_only_others_than_the_service_s_faults_come():
    faults = plan(1, 60)
    outages = [fault for fault in faults if fault.kind == "outage"]
    assert len(outages) > 5
    for outage in outages:
        meanwhile = [f.kind for f in faults if outage.at_s < f.at_s < outage.at_s + outage.length_s + REST_S]
        assert len(meanwhile) >= 2
        assert not SERVICE_FAULTS & set(meanwhile)


def test_each_kind_comes_once_before_any_comes_again():
    short = [kind for kind in TARGETS if kind not in LONG_FAULTS]
    kinds = [fault.kind for fault in plan(3, 30, short)]
    whole = len(kinds) // len(short) * len(short)
    for first in range(0, whole, len(short)):
        assert set(kinds[first : first + len(short)]) == set(short)


def test_an_hour_kills_and_freezes_every_worker():
    faults = plan(1, 60)
    for kind in ("kill", "freeze"):
        assert {fault.target for fault in faults if fault.kind == kind} == set(WORKERS)


def test_only_chosen_kinds_come():
    assert {fault.kind for fault in plan(1, 10, ["kill", "abort"])} == {"kill", "abort"}


def test_around_the_engine_its_workers_are_killed_and_frozen_and_nothing_else_happens():
    faults = plan(1, 60, targets=ENGINE_TARGETS)
    assert {fault.kind for fault in faults} == set(ENGINE_TARGETS)
    for kind, targets in ENGINE_TARGETS.items():
        assert {fault.target for fault in faults if fault.kind == kind} == set(targets)
    assert not any(fault.costs_a_gap for fault in faults)


def test_whatever_happens_to_capture_or_a_device_may_cost_a_gap():
    assert Fault(0, "freeze", "capture").costs_a_gap
    assert Fault(0, "kill-two", "stt capture").costs_a_gap
    assert Fault(0, "suspend", "microphone").costs_a_gap
    assert not Fault(0, "kill", "resample").costs_a_gap
