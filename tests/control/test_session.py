"""A session and its streams, as the controller puts them together."""

import pytest

from causal.control.session import Session, Stream
from causal.messages import StreamName
from causal.messages.control import Fault, StreamReport

SECOND_NS = 1_000_000_000


def stream(source: str = "mic", **fields: object) -> Stream:
    return Stream(name=StreamName("s", source), device=source, **fields)


def session(*streams: Stream) -> Session:
    return Session(
        id="s",
        label="Monday",
        engine="local",
        language="de",
        keyterms=("Causal",),
        record=True,
        started_ns=7 * SECOND_NS,
        started_unix_ns=1_769_860_800 * SECOND_NS,
        stack="one",
        streams=list(streams),
        request_id="r",
    )


def held(**reports: StreamReport | None) -> Stream:
    """A stream that all have, and what they said of it."""
    one = stream()
    for role in ("capture", "resample", "stt"):
        one.hand_to(role, "1", "process")
    for role, report in reports.items():
        assert report is None or one.hear(role, report)
    return one


def said(epoch: int = 1, **fields: object) -> StreamReport:
    return StreamReport(stream="s/mic", epoch=epoch, **fields)


def test_each_worker_that_gets_a_stream_begins_an_epoch():
    one = stream()
    for number in (1, 2, 3):
        one.hand_to("stt", "1", f"process-{number}")
        assert one.holders["stt"].epoch == number
    assert "capture" not in one.holders


def test_what_was_heard_before_a_capture_worker_died_still_counts():
    one = held(capture=said(state="capturing", captured_ms=8_000))
    one.hand_to("capture", "1", "another")
    assert (one.status().state, one.status().captured_ms) == ("starting", 8_000)
    assert one.hear("capture", said(epoch=2, state="capturing", captured_ms=500))
    assert one.status().captured_ms == 8_500


def test_only_the_epoch_in_force_is_heard():
    one = held()
    one.hand_to("stt", "2", "another")
    assert not one.hear("stt", said(epoch=1, done=True))
    assert not one.done("stt")
    assert one.hear("stt", said(epoch=2, done=True))
    assert one.done("stt")


def test_the_resampler_is_told_what_is_transcribed():
    one = held(stt=said(covered_to=7_000))
    assert one.covered_to() == 7_000
    one.hand_to("stt", "2", "another")
    assert one.covered_to() == 7_000, "it stays transcribed"
    assert stream().covered_to() == 0


def test_what_nobody_has_cannot_be_reported_on():
    assert not stream().hear("stt", said())


def test_a_stream_that_capture_never_had_needs_nobody_once_it_is_stopped():
    one = stream()
    one.hand_to("stt", "1", "process")
    assert one.needs("stt")
    one.stop = True
    assert not one.needs("stt")
    assert one.status().state == "stopped"


@pytest.mark.parametrize(
    ("report", "stop", "state"),
    [
        (None, False, "starting"),
        (said(), False, "starting"),
        (said(state="capturing"), False, "capturing"),
        (said(state="capturing"), True, "stopping"),
        (said(state="stopped", done=True), True, "stopped"),
        (said(state="failed"), True, "failed"),
        (None, True, "stopping"),
    ],
)
def test_the_state_is_what_capture_says_until_it_is_stopped(report, stop, state):
    one = held(capture=report)
    one.stop = stop
    assert one.status().state == state


def test_before_anybody_spoke_the_status_has_no_sound():
    status = held().status()
    assert (status.speech, status.captured_ms, status.sent_ms, status.final_ms, status.lost_ms) == ("idle", 0, 0, 0, 0)
    assert (status.rms_dbfs, status.peak_dbfs, status.device) == (-120.0, -120.0, "mic")


def test_what_can_be_done_is_told_until_the_stream_is_stopped():
    one = held(capture=said(state="muted", hint="unmute it"))
    assert one.status().hint == "unmute it"
    one.stop = True
    assert one.status().hint == ""


def test_a_level_of_zero_is_a_level():
    assert held(capture=said(rms_dbfs=0.0, peak_dbfs=0.0)).status().rms_dbfs == 0.0


def test_the_drift_of_the_device_is_what_capture_says_once_it_knows():
    assert held(capture=said()).status().drift_ppm is None
    assert held(capture=said(drift_ppm=-12.5)).status().drift_ppm == -12.5


def test_an_assignment_has_all_facts_and_the_others_workers():
    one = held()
    one.hand_to("resample", "2", "another")
    given = session(one).assignment(one, "resample")
    assert (given.stream, given.epoch, given.device, given.stop) == ("s/mic", 2, "mic", False)
    assert (given.engine, given.language, given.keyterms, given.record) == ("local", "de", ("Causal",), True)
    assert given.started_ns == 7 * SECOND_NS
    assert given.peers == {"capture": "1", "stt": "1"}


def test_the_view_shows_the_largest_backlog_and_each_sources_fault():
    fault = Fault(code="disk-full", message="full")
    mic = held(stt=said(backlog_ms=900), resample=said(fault=fault))
    view = session(mic, stream("system")).view()
    assert view.backlog_ms == 900
    assert view.faults == {"mic": fault}
    assert [status.source for status in view.streams] == ["mic", "system"]
    assert view.status.started_at == "2026-01-31T12:00:00.000Z"
    assert view.status.sources == ("mic", "system")


def test_the_answer_names_the_session_and_who_hears_it():
    assert session().answer() == {"ok": True, "session": "s", "engine": "local"}
