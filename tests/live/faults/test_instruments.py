"""The laboratory's instruments: whoever judges by them must be able to rely on them."""

import errno
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import numpy.typing as npt
import pytest

from causal import clock
from causal.testing import pulse_server
from causal.testing.machine_clocks import MachineClocks
from causal.testing.mouth import RATE_HZ, SETTLE_S, Mouth, Said
from causal.testing.oracle_speech import understand
from causal.testing.small_disk import SmallDisk
from causal.testing.utterances import EVERY_MS, STEP_MS, sound_of, words_of
from causal.testing.waiting import until

VOICE = 1
WHOLE_WITHIN_S = 50.0
LONG = 6

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        any(not shutil.which(program) for program in pulse_server.NEEDED),
        reason=f"needs {', '.join(pulse_server.NEEDED)}",
    ),
]


def speech(number: int) -> npt.NDArray[np.float32]:
    return sound_of(number, VOICE, RATE_HZ)


def long_first(number: int) -> npt.NDArray[np.float32]:
    """The first one takes so long that it is not over before a test comes to it."""
    return np.tile(speech(number), LONG) if number == 0 else speech(number)


def known(mouth: Mouth) -> list[Said]:
    """The utterances of which it is known when they were heard."""
    return [said for said in mouth.said() if said.whole and said.timed]


def whole(mouth: Mouth) -> list[Said]:
    """The utterances that were to be heard whole. On a machine that stands still the next one may be none of them."""
    return [said for said in mouth.said() if said.whole]


def test_what_a_mouth_says_is_heard_when_it_says_so(pulse_own, ears_on):
    with ears_on(pulse_own.server) as ears:
        ring = ears.listen("system")
        with Mouth(pulse_own.server, "speakers", speech) as mouth:
            ears.until(lambda: len(known(mouth)) >= 2, 50.0)  # on a machine that stands still nobody knows when
        ears.hear(0.5)
        first = ring.held(ring.tail)
        samples = ears.sound()[::3, 0]
    words = understand((samples * 32767).astype("<i2"))
    for said in known(mouth):
        for which, number in enumerate(words_of(said.number, VOICE)):
            expected_ms = (said.start_ns - first.captured_ns) / clock.NS_PER_MS + which * STEP_MS
            near = [word for word in words if word.number == number and abs(word.start_ms - expected_ms) < 20]
            assert len(near) == 1


def test_what_a_loudspeaker_did_not_say_whole_is_not_called_whole(pulse_own):
    with Mouth(pulse_own.server, "speakers", long_first) as mouth:
        time.sleep(SETTLE_S + 1.0)  # in the middle of the first utterance, by the clock of the server
        pulse_own.pactl("suspend-sink", "speakers", "1")
        time.sleep(1.0)
        pulse_own.pactl("suspend-sink", "speakers", "0")
        until(lambda: whole(mouth), WHOLE_WITHIN_S)
    first, *_ = mouth.said()
    assert not first.whole
    later, *_ = whole(mouth)
    assert later.start_ns - first.start_ns > ((LONG - 1 + later.number) * EVERY_MS + 500) * clock.NS_PER_MS


def test_a_mouth_speaks_on_with_the_next_utterance_when_its_loudspeaker_is_back(pulse_own):
    with Mouth(pulse_own.server, "speakers", long_first) as mouth:
        until(mouth.said)  # the first utterance has left the mouth, and waits in the server
        pulse_own.kill()
        pulse_own.start()
        until(lambda: whole(mouth), WHOLE_WITHIN_S)
    said = mouth.said()
    assert [one.number for one in said] == list(range(len(said)))
    assert not said[0].whole


def test_a_small_disk_is_full_when_a_test_wants_it(tmp_path):
    with SmallDisk(tmp_path / "disk", 8) as disk:
        if disk.missing:
            pytest.skip(disk.missing)
        path = disk.folder / "file"
        path.write_bytes(bytes(10_000))
        disk.fill()
        with pytest.raises(OSError) as raised:
            path.write_bytes(bytes(100_000))
        assert raised.value.errno == errno.ENOSPC
        disk.make_room()
        path.write_bytes(bytes(100_000))
    assert not any(disk.folder.iterdir())


CLOCKS = """
import sys, time
for _ in sys.stdin:
    print(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.monotonic_ns(), flush=True)
"""


def clocks_ns() -> tuple[int, int, int]:
    return time.time_ns(), clock.now_ns(), time.monotonic_ns()


def test_a_machine_s_clocks_jump_and_sleep_for_the_processes_that_have_them():
    with MachineClocks() as clocks:
        if clocks.missing:
            pytest.skip(clocks.missing)
        with subprocess.Popen(
            [sys.executable, "-c", CLOCKS],
            env=os.environ | clocks.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:

            def are_ahead_by(*offsets_s: float) -> bool:
                """Of ours, which are read before and after."""
                before_ns = clocks_ns()
                print(file=process.stdin, flush=True)
                told_ns = [int(text) for text in process.stdout.readline().split()]
                looks = zip(before_ns, told_ns, clocks_ns(), offsets_s, strict=True)
                return all(
                    -0.4 < (told - before) / clock.NS_PER_S - offset_s < (after - before) / clock.NS_PER_S + 0.4
                    for before, told, after, offset_s in looks
                )

            assert are_ahead_by(0, 0, 0)
            clocks.set_wall(-3600.5)
            assert are_ahead_by(-3600.5, 0, 0)
            before_ns = clock.now_ns()
            clocks.sleep(60.0)
            assert are_ahead_by(-3540.5, 60, 0)
            clocks.set_wall(0.0)
            assert are_ahead_by(60, 60, 0)
            process.stdin.close()
        assert clocks.capture_ns(before_ns) == before_ns
        now_ns = clock.now_ns()
        assert clocks.capture_ns(now_ns) - now_ns == pytest.approx(60 * clock.NS_PER_S, rel=0.01)
