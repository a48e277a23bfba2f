"""Lanes with real processes: after an outage what is said comes at once and the backlog beside it; silence is marked,
and closes the connection; the account's limit is kept."""

import signal
import sys
from functools import partial

import numpy as np
import pytest

from causal.messages.audio import CHUNK_SAMPLES
from causal.testing.assemblyai_server import AssemblyAIServer
from causal.testing.lone_gateway import alone
from causal.testing.oracle_speech import silence, speak, understand
from causal.testing.side_by_side import SideBySide
from causal.testing.waiting import until

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform == "win32", reason="ipc sockets"),
]

beside = SideBySide()
sleepy = partial(alone, CAUSAL_IDLE_CLOSE_S="3")
"""Closes its connection after three seconds of silence."""


def sentences(first: int, last: int) -> np.ndarray:
    """Numbers in threes: each sentence takes 2 s."""
    pieces = [np.concatenate([speak(range(n, min(n + 3, last + 1))), silence(800)]) for n in range(first, last + 1, 3)]
    return np.concatenate(pieces)


def go_away(server: AssemblyAIServer) -> None:
    until(lambda: server.open_count)
    server.faults.refuse_status = 503
    server.abort_all()


def come_back(server: AssemblyAIServer) -> None:
    server.faults.refuse_status = None


def words_of(audio: bytes) -> list[int]:
    return [word.number for word in understand(np.frombuffer(audio, "<i2"))]


@beside(alone)
def test_after_an_outage_new_speech_comes_live_at_once_and_the_backlog_beside_it(stack):
    stack.say(sentences(1, 3))
    go_away(stack.server)
    stack.say(sentences(4, 36), speed=2.0)
    come_back(stack.server)
    stack.say(silence(3000))
    stack.say(sentences(37, 39))
    stack.wait(lambda: 39 in stack.heard())
    assert "catching-up" in stack.speech
    assert 32 not in stack.heard(), "the backlog of 22 s takes longer, and nobody waited for it"
    stack.say(sentences(40, 42))
    stack.end()
    stack.wait_done(40)
    assert stack.heard() == list(range(1, 43))
    assert len(stack.server.records) == 3
    (_, seam, covered), (again, to_chunk, _) = stack.lanes()
    assert (seam, covered, to_chunk) == (again, again, None)


@beside(alone)
def test_a_gateway_that_stood_still_is_live_again_at_once_and_catches_up_beside(stack):
    stack.say(sentences(1, 33))
    stack.processes["stt-1"].send_signal(signal.SIGSTOP)
    stack.say(sentences(34, 66))
    stack.processes["stt-1"].send_signal(signal.SIGCONT)
    stack.say(sentences(67, 72))
    stack.wait(lambda: 72 in stack.heard())
    assert 60 not in stack.heard(), "the backlog of 22 s takes longer, and nobody waited for it"
    stack.end()
    stack.wait_done(40)
    assert stack.heard() == list(range(1, 73))
    assert len(stack.server.records) == 3


@beside(alone)
def test_a_gateway_that_stood_still_goes_on_as_it_is_while_no_other_session_is_permitted(stack):
    stack.say(sentences(1, 6))
    stack.permits = False
    stack.processes["stt-1"].send_signal(signal.SIGSTOP)
    stack.say(sentences(7, 21))
    stack.processes["stt-1"].send_signal(signal.SIGCONT)
    stack.say(sentences(22, 27))
    stack.end()
    stack.wait_done(40)
    assert stack.heard() == list(range(1, 28))
    assert len(stack.server.records) == 1


@beside(alone)
def test_a_connection_that_is_lost_while_the_disk_is_full_is_live_again_at_once_and_nothing_is_lost(stack):
    stack.say(sentences(1, 3))
    stack.disk_is_full = True
    stack.say(speak(range(4, 25)))
    stack.server.abort_all()
    stack.say(silence(800))
    stack.say(sentences(25, 30))
    stack.wait(lambda: 30 in stack.heard())
    assert 6 not in stack.heard(), "what is no longer in memory waits for the disk"
    stack.make_room()
    stack.end()
    stack.wait_done(40)
    assert stack.heard() == list(range(1, 31))


@beside(sleepy)
def test_a_device_that_delivers_nothing_closes_the_connection_also_amid_a_word(sleepy):
    sleepy.say(sentences(1, 3))
    sleepy.say(speak([4, 5, 6]))
    sleepy.wait(lambda: sleepy.server.open_count == 0, within_s=20)
    sleepy.wait(lambda: sleepy.heard() == [1, 2, 3, 4, 5, 6])
    sleepy.wait(lambda: sleepy.reports["1"].speech == "idle")
    sleepy.wait_asked(5)
    assert len(sleepy.server.records) == 1
    sleepy.skip(8000)
    sleepy.say(silence(500))
    sleepy.say(sentences(7, 12))
    sleepy.end()
    sleepy.wait_done(25)
    assert sleepy.heard() == list(range(1, 13))
    assert len(sleepy.server.records) == 2


@beside(alone)
def test_after_an_end_by_inactivity_there_is_no_connection_until_the_device_delivers_again(stack):
    stack.say(sentences(1, 3))
    stack.say(speak([4, 5, 6]))
    stack.server.fail_all(3006, "Session terminated due to inactivity: 60 s")
    stack.wait(lambda: stack.reports["1"].speech == "idle")
    stack.wait_asked(5)
    assert len(stack.server.records) == 1
    stack.say(sentences(7, 12))
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 13))


@beside(alone)
def test_what_is_said_without_a_pause_while_the_service_comes_back_is_told_once(stack):
    stack.say(sentences(1, 3))
    go_away(stack.server)
    stack.say(speak(range(4, 15)))
    come_back(stack.server)
    stack.say(speak(range(15, 30)))
    stack.say(silence(800))
    stack.end()
    stack.wait_done(30)
    assert stack.heard() == list(range(1, 30))
    assert len(stack.lanes()) == 2


@beside(alone)
def test_a_short_outage_is_sent_again_on_one_connection(stack):
    talk, cut = sentences(1, 9), 26 * CHUNK_SAMPLES
    stack.say(talk[:cut])
    stack.wait(lambda: stack.server.open_count)
    stack.server.abort_all()
    stack.wait(lambda: len(stack.server.records) == 2)  # nothing is said meanwhile, however long that takes
    stack.say(talk[cut:])
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 10))
    assert len(stack.server.records) == 2
    assert len(stack.lanes()) == 1


@pytest.mark.parametrize("what", ["stt-1", "broker-1"])
@beside(alone)
def test_a_kill_while_two_lanes_run_loses_no_word_and_repeats_none(stack, what):
    stack.say(sentences(1, 3))
    go_away(stack.server)
    stack.say(sentences(4, 21))
    come_back(stack.server)
    stack.say(silence(2000))
    stack.wait(lambda: "catching-up" in stack.speech)
    stack.say(sentences(22, 24))
    stack.signal(what, signal.SIGKILL)
    stack.run(what.partition("-")[0])
    stack.say(sentences(25, 30))
    stack.end()
    stack.wait_done(40)
    assert stack.heard() == list(range(1, 31))


@beside(alone)
def test_connections_that_are_cut_again_and_again_after_an_outage_lose_no_word_and_are_soon_back(stack):
    stack.say(sentences(1, 3))
    go_away(stack.server)
    stack.say(sentences(4, 18))
    come_back(stack.server)
    for n in range(19, 28, 3):
        stack.say(sentences(n, n + 2))
        stack.server.abort_all()
    stack.say(sentences(28, 30))
    stack.wait(lambda: 30 in stack.heard())
    stack.end()
    stack.wait_done(45)
    assert stack.heard() == list(range(1, 31))


@beside(alone)
def test_silence_is_marked_so_that_a_resume_sends_only_seconds_of_it_again(stack):
    stack.server.rules.heartbeat_s = 1.0
    stack.say(sentences(1, 3))
    stack.say(silence(26_000))
    # 28 s were said, and the mark lies 10 s and at most a step of 5 s behind.
    stack.wait(lambda: [covered_to >= 120 for _, _, covered_to in stack.lanes()] == [True])
    stack.signal("stt-1", signal.SIGKILL)
    stack.run("stt")
    stack.say(sentences(4, 6))
    stack.end()
    stack.wait_done(30)
    assert stack.heard() == list(range(1, 7))
    assert all(len(record.audio) < 19 * 32_000 for record in stack.server.records[1:])


@beside(alone)
def test_a_service_without_heartbeats_is_served_as_well(stack):
    stack.server.rules.heartbeat_s = 1e9
    stack.say(sentences(1, 6))
    stack.signal("stt-1", signal.SIGKILL)
    stack.run("stt")
    stack.say(sentences(7, 9))
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 10))


@beside(sleepy)
def test_a_long_silence_closes_the_connection_and_speech_opens_it_with_a_second_before(sleepy):
    sleepy.say(sentences(1, 3))
    sleepy.say(silence(6000))
    sleepy.wait(lambda: sleepy.server.open_count == 0)
    sleepy.wait(lambda: sleepy.reports["1"].speech == "idle")
    assert sleepy.server.records[0].terminated
    sleepy.say(silence(2000))
    assert len(sleepy.server.records) == 1
    sleepy.say(sentences(4, 9))
    sleepy.end()
    sleepy.wait_done(25)
    assert sleepy.heard() == list(range(1, 10))
    second = sleepy.server.records[1]
    assert words_of(second.audio) == list(range(4, 10))
    quiet_s = next(n for n, value in enumerate(np.frombuffer(second.audio, "<i2")) if abs(value) > 100) / 16_000
    assert quiet_s == pytest.approx(1.0, abs=0.15)


@beside(sleepy)
def test_a_gateway_that_is_killed_in_a_long_silence_loses_no_word(sleepy):
    sleepy.say(sentences(1, 3))
    sleepy.say(silence(6000))
    sleepy.signal("stt-1", signal.SIGKILL)
    sleepy.run("stt")
    sleepy.say(silence(6000))
    sleepy.say(sentences(4, 6))
    sleepy.end()
    sleepy.wait_done(25)
    assert sleepy.heard() == list(range(1, 7))


@beside(partial(alone, CAUSAL_IDLE_CLOSE_S="5"))
def test_words_that_the_room_hides_keep_the_connection_open(sleepy):
    murmur = np.concatenate([sentences(n, n + 2) for n in range(4, 13, 3)]) * 0.006
    sleepy.say(np.concatenate([sentences(1, 3), murmur]))
    sleepy.end()
    sleepy.wait_done(25)
    assert sleepy.heard() == list(range(1, 13))
    assert len(sleepy.server.records) == 1


@beside(sleepy)
def test_a_stream_that_ends_in_a_long_silence_ends(sleepy):
    sleepy.say(sentences(1, 3))
    sleepy.say(silence(6000))
    sleepy.wait(lambda: sleepy.reports["1"].speech == "idle")
    sleepy.end()
    sleepy.wait_done()
    assert sleepy.heard() == [1, 2, 3]
    assert len(sleepy.server.records) == 1


@beside(alone)
def test_no_session_begins_without_permission_and_a_backlog_asks_for_its_own(stack):
    stack.permits = False
    stack.say(sentences(1, 6))
    stack.wait(lambda: len(stack.wishes) >= 3)
    assert stack.server.records == []
    assert all(wish["live"] for wish in stack.wishes)
    assert len({wish["id"] for wish in stack.wishes}) == 1, "one wish, told again and again"
    stack.permits = True
    stack.say(silence(3000))
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == list(range(1, 7))
    by_kind = {wish["id"]: wish["live"] for wish in stack.wishes}
    assert sorted(by_kind.values()) == [False, True]
    assert len(stack.server.records) == 2


@beside(alone)
def test_a_door_that_does_not_open_costs_no_permission(stack):
    stack.server.faults.refuse_status = 503
    stack.say(sentences(1, 3))
    stack.say(silence(4000))
    come_back(stack.server)
    stack.end()
    stack.wait_done(25)
    assert stack.heard() == [1, 2, 3]
    assert len({wish["id"] for wish in stack.wishes if wish["live"]}) == 1


@beside(partial(alone, CAUSAL_SPEECH_MODEL="universal-3-6-pro"))
def test_wrong_word_edges_at_a_seam_lose_no_word_and_repeat_none(stack):
    stack.server.rules.wrong_edges = True
    stack.say(sentences(1, 3))
    go_away(stack.server)
    stack.say(sentences(4, 12))
    come_back(stack.server)
    stack.say(sentences(13, 21))
    stack.end()
    stack.wait_done(30)
    assert stack.heard() == list(range(1, 22))
    assert len(stack.lanes()) == 2


POLICIES = {
    "a close without a word": (lambda server: server.close_all(1000), "", False, 2),
    "server error": (lambda server: server.fail_all(1011, "Internal error"), "connection-failed", True, 2),
    "catch-all": (lambda server: server.fail_all(3005, "Server error"), "connection-failed", True, 2),
    "expired": (lambda server: server.fail_all(3008, "Session Expired"), "", False, 2),
    "bad parameter": (lambda server: server.fail_all(3006, "Invalid keyterms"), "rejected-by-service", False, 1),
    "bad audio": (lambda server: server.fail_all(3007, "Input Duration Violation"), "rejected-by-service", False, 1),
    "bad key": (lambda server: server.fail_all(1008, "Invalid API key"), "auth-failed", False, 1),
    "no funds": (lambda server: server.fail_all(1008, "Insufficient funds"), "quota-exceeded", False, 1),
    "too many": (lambda server: server.fail_all(3009, "Too many concurrent sessions"), "quota-exceeded", True, 1),
}


@pytest.mark.parametrize(("fault", "code", "retrying", "sessions"), POLICIES.values(), ids=POLICIES.keys())
@beside(alone)
def test_each_way_of_closing_has_its_own_policy(stack, fault, code, retrying, sessions):
    stack.say(sentences(1, 3))
    stack.wait(lambda: stack.heard() == [1, 2, 3])
    fault(stack.server)
    if code:
        stack.wait(lambda: stack.reports["1"].fault)
        assert (stack.reports["1"].fault.code, stack.reports["1"].fault.retrying) == (code, retrying)
    stack.wait(lambda: len(stack.server.records) == sessions)
    stack.say(sentences(4, 6))
    stack.say(silence(1500))
    stack.wait(lambda: stack.heard() == (list(range(1, 7)) if sessions == 2 else [1, 2, 3]))
    assert len(stack.server.records) == sessions
