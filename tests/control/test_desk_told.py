"""What the control desk tells those who listen."""

from __future__ import annotations

from causal.control.effects import (
    ReadSession,
    Ticket,
)
from causal.control.registry import SILENT_AFTER_S
from causal.messages import CaptureStatus, ServiceStatus
from causal.messages.control import (
    Export,
    Fault,
    Sessions,
    Status,
    Stop,
)
from causal.testing.desk_run import MIC, DeskRun, finish, ready, report

# --- what listeners hear ---


def test_changes_are_published_and_levels_pass_by():
    stack = ready()
    stack.start("mic")
    work = stack.poll("capture")
    stack.emitted.clear()
    for level in (-30.0, -31.0, -32.0):
        stack.poll("capture", report(work, state="capturing", rms_dbfs=level))
    assert stack.statuses() == [("capturing", "idle")]
    levels = [emit.event.rms_dbfs for emit in stack.emitted if isinstance(emit.event, CaptureStatus)]
    assert levels == [-31.0, -32.0], "the first came with the change"


def test_a_status_is_put_together_from_all_workers():
    stack = ready()
    stack.start("mic")
    stack.poll("capture", report(stack.poll("capture"), state="capturing", captured_ms=900, device=MIC.id))
    stack.poll("resample", report(stack.poll("resample"), lost_ms=50))
    stack.poll("stt", report(stack.poll("stt"), speech="live", sent_ms=800, final_ms=500, backlog_ms=100))
    view = stack.ask(Status())["sessions"][0]
    (stream,) = view["streams"]
    assert {name: stream[name] for name in ("device", "state", "speech", "captured_ms", "sent_ms", "final_ms")} == {
        "device": MIC.id,
        "state": "capturing",
        "speech": "live",
        "captured_ms": 900,
        "sent_ms": 800,
        "final_ms": 500,
    }
    assert stream["lost_ms"] == 50
    assert view["backlog_ms"] == 100


def test_a_fault_is_told_once_and_again_when_it_comes_again():
    stack = ready()
    stack.start("mic")
    work = stack.poll("capture")
    fault = Fault(code="device-lost", message="it was unplugged", hint="Plug it in.", retrying=True)
    for reported in (fault, fault, None, fault):
        stack.poll("capture", report(work, state="stalled", fault=reported))
    assert [(error.source, error.code, error.retrying) for error in stack.errors()] == [
        ("mic", "device-lost", True)
    ] * 2
    assert stack.ask(Status())["sessions"][0]["faults"]["mic"]["message"] == "it was unplugged"


def test_services_are_told_of_once_a_second_however_often_they_poll():
    stack = ready()
    stack.pass_time(1.0, "capture")
    stack.emitted.clear()
    stack.pass_time(3.0, "capture")
    assert sum(isinstance(emit.event, ServiceStatus) for emit in stack.emitted) in (3, 4)


def test_status_shows_who_is_there_and_who_hears():
    stack = ready(about={"version": "9"}, engine="assemblyai")
    answer = stack.ask(Status())
    assert answer["version"] == "9"
    assert answer["engine"] == "assemblyai (there is no AssemblyAI key)"
    assert [view["status"]["service"] for view in answer["services"]] == ["capture", "resample", "stt"]
    stack.pass_time(SILENT_AFTER_S)
    assert not any(view["alive"] for view in stack.ask(Status())["services"])


def test_the_history_lists_sessions_with_their_end():
    stack = ready()
    session = stack.start("mic", label="Monday")
    stack.ask(Stop(session=session))
    finish(stack)
    (row,) = stack.ask(Sessions())["sessions"]
    assert (row["session"], row["label"], row["state"], row["reason"]) == (session, "Monday", "ended", "stopped")
    assert row["ended_unix_ns"] > 0
    assert "seq" not in row


def test_an_export_is_read_with_the_sessions_that_may_be_meant():
    stack = DeskRun()
    session = stack.start("file:/a.wav")
    ticket = Ticket((), "x")
    (effect,) = stack.desk.request(ticket, Export(session="s", format="txt"), stack.now())
    assert effect == ReadSession(ticket, "s", "txt", effect.known)
    assert session in effect.known
