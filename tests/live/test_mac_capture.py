"""The capture process as on a Mac, with a fake of one inside it, and its real neighbours up to the journal."""

import sys

import numpy as np
import pytest

from causal.journal import JournalReader
from causal.journal_record import folder_of
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

MAC = '''
"""A Mac whose loudspeakers play a tone, and whose tap fails once."""
import sys, threading, time
import numpy as np
import causal.capture.app as app
from causal.testing.fake_mac import FakeMac
from causal.testing.waiting import until

def play(mac):
    tone = np.sin(np.arange(480)[:, None] * [0.1, 0.1]).astype(np.float32) / 2
    for opening in range(2):
        session = until(lambda: mac.taps.sessions[opening:] and mac.taps.sessions[opening].is_recording
                        and mac.taps.sessions[opening], 60)
        due_s = time.monotonic()
        for _ in range(100 if opening == 0 else 6000):
            session.deliver(tone)
            due_s += 0.01
            time.sleep(max(0, due_s - time.monotonic()))  # as a Mac delivers: capture stamps what comes by its clock
        session.fail("Tap stream format changed during capture")

with FakeMac((14, 4)) as mac:
    threading.Thread(target=play, args=(mac,), daemon=True).start()
    app.main(["--no-respawn"])
'''


def test_the_systems_sound_of_a_mac_is_journaled_and_a_tap_that_fails_is_opened_again(procfile, tmp_path):
    (tmp_path / "mac.py").write_text(MAC)
    with Stack(procfile, ["broker", "control", "resample"]) as stack:
        stack.launch(sys.executable, str(tmp_path / "mac.py"))
        stack.until(lambda: "tap:system" in [device["id"] for device in stack.ask("list", 20.0)["devices"]], 20.0)
        reply = stack.ask("start", 20.0, sources=["system"], engine="local")
        assert reply["ok"], reply
        name = f"{reply['session']}/system"

        def seen() -> dict:
            return stack.ask("status", 20.0)["sessions"][0]["streams"][0]

        stack.until(lambda: seen()["captured_ms"] > 2000, 20.0)
        stack.until(lambda: (seen()["device"], seen()["state"]) == ("tap:system", "capturing"), 20.0)
        stack.ask("stop", 20.0, session=reply["session"], timeout_s=0.0)
        stack.until(lambda: any(chunk.end for chunk, _ in journal(stack, name)), 20.0)
        chunks = journal(stack, name)
    assert len({chunk.run_started_ns for chunk, _ in chunks if chunk.valid}) == 2
    sound = np.concatenate([samples[: chunk.valid] for chunk, samples in chunks])
    assert np.abs(sound).max() == pytest.approx(32767 / 2, rel=0.1)


def journal(stack: Stack, stream: str) -> list:
    with JournalReader(folder_of(stack.paths.journal, stream), stream) as reader:
        return list(reader.read_range(0, reader.next_index))
