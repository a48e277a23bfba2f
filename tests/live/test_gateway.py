"""The gateway as a process, with the real broker and a real WebSocket service; the controller and the resampler are
played by the test."""

import json
import signal
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest

from causal import wire
from causal.stt.pacing import SERVICE_BURST_MS
from causal.testing.assemblyai_server import AssemblyAIServer
from causal.testing.lone_gateway import KEY, alone
from causal.testing.oracle_speech import silence, speak
from causal.testing.side_by_side import SideBySide

pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform == "win32", reason="ipc sockets")]


beside = SideBySide()


def sentence(*numbers: int) -> np.ndarray:
    """A few words and the silence after them: 3 words take 2 s."""
    return np.concatenate([speak(numbers), silence(800)])


@beside(alone)
def test_what_is_said_comes_out_with_its_times_and_the_stream_ends(stack):
    stack.say(np.concatenate([silence(1000), sentence(1, 2, 3)]))
    stack.skip(5000)
    stack.say(sentence(4, 5, 6))
    stack.wait(lambda: len(stack.finals()) == 2)
    stack.say(sentence(7, 8))
    stack.end()
    stack.wait_done()
    assert stack.heard() == [1, 2, 3, 4, 5, 6, 7, 8]
    first, second = stack.finals()[:2]
    assert first["start_ms"] == pytest.approx(1000, abs=20)
    assert first["end_ms"] == pytest.approx(2040, abs=20)
    assert second["start_ms"] == pytest.approx(8000, abs=20), "the gap of 5 s lies between"
    assert second["started_at"] == "2023-11-14T22:13:28.000Z"
    assert second["text"] == "N4 n5 n6."
    assert len({final["turn"] for final in stack.finals()}) == 3
    (record,) = stack.server.records
    assert record.texts == ["Terminate"]
    assert set(record.frame_bytes) == {3200}
    assert stack.reports["1"].final_ms == pytest.approx(stack.reports["1"].sent_ms, abs=1100)


@beside(alone)
def test_without_audio_there_is_no_connection(stack):
    stack.wait(lambda: "1" in stack.reports)
    stack.wait_asked(2)
    assert stack.reports["1"].speech == "idle"
    assert stack.server.records == []
    stack.end()
    stack.wait_done()
    assert stack.server.records == []


FAULTS: dict[str, Callable[[AssemblyAIServer], None]] = {
    "cut": lambda server: server.abort_all(),
    "closed with 1000": lambda server: server.close_all(1000),
    "closed with 1001": lambda server: server.close_all(1001),
    "server error": lambda server: server.fail_all(3005, "Server error"),
    "expired": lambda server: server.fail_all(3008, "Session Expired: maximum session duration exceeded"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("in_word", [True, False])
@beside(alone)
def test_a_lost_connection_loses_no_word_and_repeats_none(stack, fault, in_word):
    talk = np.concatenate([sentence(1, 2, 3), sentence(4, 5, 6), sentence(7, 8, 9), sentence(10, 11)])
    cut_at = 16_000 * 24 // 10 if in_word else 16_000 * 38 // 10
    stack.say(talk[:cut_at])
    stack.wait(lambda: stack.server.open_count)
    fault(stack.server)
    stack.say(talk[cut_at:])
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 12))
    assert len(stack.server.records) >= 2


@beside(alone)
def test_a_service_that_is_away_gets_everything_when_it_is_back(stack):
    stack.say(sentence(1, 2, 3))
    stack.wait(lambda: stack.server.open_count)
    stack.server.faults.refuse_status = 503
    stack.server.abort_all()
    stack.say(np.concatenate([sentence(4, 5, 6), sentence(7, 8, 9)]))
    stack.wait(lambda: stack.reports["1"].fault)
    fault = stack.reports["1"].fault
    assert (fault.code, fault.retrying) == ("connection-failed", True)
    assert stack.reports["1"].speech == "reconnecting"
    stack.server.faults.refuse_status = None
    stack.end()
    stack.wait_done(30)
    assert stack.heard() == list(range(1, 10))
    assert stack.reports["1"].fault is None


@beside(alone)
def test_a_frozen_service_is_left_within_seconds(stack):
    stack.say(sentence(1, 2, 3))
    stack.server.freeze()
    stack.say(sentence(4, 5, 6))
    stack.wait(lambda: "reconnecting" in stack.speech, 40)
    stack.server.thaw()
    stack.end()
    stack.wait_done(30)
    assert stack.heard() == list(range(1, 7))


@beside(alone)
def test_a_killed_gateway_loses_no_word_and_repeats_none(stack):
    talk = np.concatenate([sentence(1, 2, 3), sentence(4, 5, 6), sentence(7, 8, 9)])
    stack.say(talk[: 16_000 * 26 // 10])
    stack.signal("stt-1", signal.SIGKILL)
    stack.run("stt")
    stack.say(talk[16_000 * 26 // 10 :])
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 10))
    assert stack.epochs["1"] == 2


@beside(alone)
def test_a_killed_broker_loses_no_word_and_repeats_none(stack):
    stack.say(sentence(1, 2, 3))
    stack.signal("broker-1", signal.SIGKILL)
    stack.say(np.concatenate([sentence(4, 5, 6), sentence(7, 8, 9)]))
    stack.run("broker")
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 10))


@beside(alone)
def test_a_refused_key_is_told_and_not_tried_again_until_there_is_another(stack):
    stack.key = "wrong"
    stack.wait_asked(2)
    stack.say(sentence(1, 2))
    stack.wait(lambda: stack.reports["1"].fault)
    stack.wait_asked(3)
    fault = stack.reports["1"].fault
    assert (fault.code, fault.retrying) == ("auth-failed", False)
    assert "wrong" not in json.dumps(wire.to_map(fault))
    assert stack.reports["1"].speech == "failed"
    assert len(stack.server.records) == 1
    stack.key = KEY
    stack.wait(lambda: stack.heard() == [1, 2])
    stack.wait(lambda: stack.reports["1"].fault is None)


@beside(alone)
def test_a_refused_stream_still_ends_when_it_is_stopped(stack):
    stack.key = "wrong"
    stack.wait_asked(2)
    stack.say(sentence(1, 2))
    stack.end()
    stack.wait_done()
    assert stack.reports["1"].fault.code == "auth-failed"


@beside(alone)
def test_nonsense_late_formatting_and_a_missing_termination_do_no_harm(stack):
    stack.server.rules.nonsense = True
    stack.server.rules.formatted_delay_s = None
    stack.server.rules.termination = False
    stack.say(np.concatenate([sentence(1, 2, 3), sentence(4, 5)]))
    stack.end()
    stack.wait_done(30)
    assert stack.heard() == [1, 2, 3, 4, 5]


@beside(alone)
def test_a_second_worker_takes_the_stream_over_and_the_first_lets_go(stack):
    stack.say(np.concatenate([sentence(1, 2, 3), sentence(4, 5, 6)[:8000]]))
    stack.run("stt", "2")
    stack.epochs["2"] = 2
    stack.say(np.concatenate([sentence(4, 5, 6)[8000:], sentence(7, 8, 9)]))
    stack.end()
    stack.wait(lambda: "2" in stack.reports and stack.reports["2"].done, 25)
    assert stack.heard() == list(range(1, 10))


@beside(alone)
def test_a_gateway_that_is_told_to_end_gets_the_last_words_first(stack):
    stack.say(np.concatenate([sentence(1, 2, 3), speak([4, 5])]))
    stack.signal("stt-1", signal.SIGTERM)
    assert stack.processes["stt-1"].returncode == 0
    assert stack.heard() == [1, 2, 3, 4, 5]
    assert stack.server.records[0].terminated


@beside(alone)
def test_a_backlog_goes_no_faster_than_five_quarters(stack):
    stack.say(np.concatenate([sentence(n, n + 1, n + 2) for n in range(1, 16, 3)]), speed=None)
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 16))
    at_once_s = SERVICE_BURST_MS / 1000
    assert time.monotonic() - stack.server.records[0].opened_s > (10 - at_once_s) / 1.25 - 0.5


@beside(alone)
def test_the_local_engine_is_found_by_its_file(stack):
    stack.engine = "local"
    stack.wait_asked(2)
    stack.say(sentence(1, 2))
    stack.wait(lambda: stack.reports["1"].speech == "connecting")
    stack.wait(lambda: stack.reports["1"].fault)
    assert stack.reports["1"].fault.code == "engine-failed"
    stack.paths.engine_file.write_text(json.dumps({"url": stack.server.url, "key": KEY}))
    stack.wait(lambda: stack.heard() == [1, 2])


@beside(alone)
def test_a_connection_lost_in_a_backlog_loses_no_word_though_more_was_sent_than_heard(stack):
    stack.server.rules.paced = True
    stack.say(np.concatenate([sentence(n, n + 1, n + 2) for n in range(1, 16, 3)]), speed=None)
    stack.wait(lambda: len(stack.finals()) >= 2)
    stack.server.abort_all()
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 16))


@beside(alone)
def test_a_pro_model_with_its_wrong_word_edges_loses_no_word_and_repeats_none(stack):
    stack.server.rules.wrong_edges = True
    stack.signal("stt-1", signal.SIGTERM)
    stack.run("stt", CAUSAL_SPEECH_MODEL="universal-3-6-pro")
    stack.say(np.concatenate([silence(1500), sentence(1, 2, 3), sentence(4), sentence(5, 6)]))
    stack.server.abort_all()
    stack.say(np.concatenate([sentence(7), sentence(8, 9)]))
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 10))
    assert len(stack.server.records) >= 2


@beside(alone)
def test_a_session_that_expires_soon_is_replaced_between_two_turns(stack):
    stack.server.rules.max_session_s = 123.0
    stack.say(np.concatenate([sentence(n, n + 1, n + 2) for n in range(1, 13, 3)]))
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 13))
    assert len(stack.server.records) >= 2
    assert all(record.terminated for record in stack.server.records)
