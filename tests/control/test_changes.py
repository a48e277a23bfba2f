"""What changes from one reply to the next, as lines."""

from __future__ import annotations

from typing import Any

from causal import wire
from causal.control import changes
from causal.messages import CaptureStatus, QueueDepth, ServiceStatus, SessionStatus
from causal.messages.control import Device, Fault, ServiceView, SessionView


def status(
    *,
    speech: Any = "live",
    rms_dbfs: float = -20.0,
    dropped: int = 0,
    alive: bool = True,
    fault: Fault | None = None,
    hint: str = "",
) -> dict[str, Any]:
    session = SessionStatus(session="s-1", label="talk", state="running", sources=("mic",), engine="local")
    stream = CaptureStatus(
        session="s-1", source="mic", device="pulse:m", state="capturing", speech=speech, rms_dbfs=rms_dbfs, hint=hint
    )
    view = SessionView(status=session, streams=(stream,), faults={"mic": fault} if fault else {})
    queues = {"chunks": QueueDepth(depth=0, capacity=5, dropped=dropped)}
    worker = ServiceStatus(service="stt", instance="1", pid=1, cpu_percent=rms_dbfs, rss_bytes=1, queues=queues)
    service = ServiceView(status=worker, alive=alive)
    return {"engine": "local", "sessions": [wire.to_map(view)], "services": [wire.to_map(service)]}


def told(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return changes.between(changes.of_status(before), changes.of_status(now))


def test_at_first_everything_is_told() -> None:
    assert changes.between({}, changes.of_status(status())) == [
        "new sessions: heard by local",
        'session s-1: running "talk", heard by local',
        "s-1 mic: capturing, speech live",
        "stt 1: running",
    ]


def test_levels_and_load_are_no_change() -> None:
    assert told(status(), status(rms_dbfs=-60.0)) == []


def test_states_drops_and_deaths_are() -> None:
    assert told(status(), status(speech="reconnecting")) == ["s-1 mic: capturing, speech reconnecting"]
    assert told(status(), status(dropped=3)) == ["stt 1: running, 3 dropped"]
    assert told(status(), status(alive=False)) == ["stt 1: not running"]


def test_a_fault_comes_with_its_hint_and_goes() -> None:
    fault = Fault(code="device-lost", message="the microphone is gone", hint="Plug it in.")
    assert told(status(), status(fault=fault)) == ["s-1 mic !: the microphone is gone. Plug it in."]
    assert told(status(fault=fault), status()) == ["s-1 mic !: gone"]


def test_advice_comes_and_goes() -> None:
    assert told(status(), status(hint="unmute it")) == ["s-1 mic ?: unmute it"]
    assert told(status(hint="unmute it"), status()) == ["s-1 mic ?: gone"]


def test_a_session_that_is_over_is_gone() -> None:
    assert told(status(), status() | {"sessions": []}) == ["session s-1: gone", "s-1 mic: gone"]


def test_devices_come_go_and_become_the_default() -> None:
    def devices(*names: str, default: str) -> changes.Facts:
        found = [
            Device(id=f"pulse:{n}", name=n, kind="input", backend="pulse", default=n == default, channels=1, rate_hz=1)
            for n in names
        ]
        return changes.of_devices({"devices": [wire.to_map(device) for device in found]})

    before = devices("a", "b", default="a")
    assert changes.between(before, devices("b", "c", default="b")) == [
        "pulse:b: input b, which is mic",
        "pulse:c: input c",
        "pulse:a: gone",
    ]
