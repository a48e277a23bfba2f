"""A real stack under faults, each of which it survives without losing, repeating or misplacing a word."""

import shutil
from pathlib import Path

import pytest

from causal.testing import pulse_server
from causal.testing.fault_laboratory import Laboratory
from causal.testing.fault_schedule import LONG_FAULTS, TARGETS, plan
from causal.testing.live_delay import in_spell
from causal.testing.vitals import growth

ROOT = Path(__file__).parents[3]
MINUTES = 2.5
LIVE_AGAIN_MS = 10_000
"""Three times what is promised: this machine may have other work."""
SEED = 1
KINDS = [kind for kind in TARGETS if kind not in LONG_FAULTS]
"""A long outage would leave little of the time to the others; tests/live/test_lanes.py has one."""

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(420),
    pytest.mark.skipif(
        any(not shutil.which(program) for program in pulse_server.NEEDED),
        reason=f"needs {', '.join(pulse_server.NEEDED)}",
    ),
]


def test_whatever_fails_no_utterance_is_lost_repeated_or_misplaced():
    with Laboratory(ROOT / "Procfile", MINUTES, wrong_edges=True) as laboratory:
        outcome = laboratory.run(plan(SEED, MINUTES, KINDS), print)
        print(laboratory.stack.log(500))
    print(outcome.spells)
    verdict, _ = outcome.verdict.parted(outcome.spells)  # an instrument stumbles when the machine stands still
    assert outcome.ended, "the session comes to its end by itself"
    assert (verdict.lost, verdict.repeated, verdict.misplaced, verdict.strays) == ([], [], [], [])
    unexplained = [gap for gap in outcome.unexplained if not in_spell(gap.start_ms, outcome.spells)]
    assert unexplained == [], "only faults of capture and its devices cost a gap"
    assert outcome.sink == ""
    assert verdict.spoken > 3 * MINUTES * 60 / 2.2 * 0.8
    assert verdict.heard + verdict.excused == verdict.spoken
    assert verdict.excused < verdict.spoken / 4
    again_ms = [delay.live_again_ms for delay in outcome.delays if not delay.in_spell]
    assert max(ms for ms in again_ms if ms is not None) < LIVE_AGAIN_MS
    assert sum(ms is None for ms in again_ms) <= len(again_ms) / 4, "the next fault may come first, now and then"
    assert growth(outcome.vitals, "descriptors") <= 0.05, "from the second quarter to the last"
