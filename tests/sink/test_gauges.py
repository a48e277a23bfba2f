"""The numbers for Prometheus, with time as a number."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from causal.messages import CaptureError, CaptureStatus, Event, HopLatency, QueueDepth, ServiceStatus, SessionStatus
from causal.sink.gauges import STALE_AFTER_S, Gauges

WORKER = ServiceStatus(
    service="stt",
    instance="1",
    pid=7,
    cpu_percent=12.5,
    rss_bytes=1000,
    queues={"in": QueueDepth(depth=2, capacity=10, dropped=3)},
    latency_ms={"final": HopLatency(p50=40.0, p99=250.0)},
)
STREAM = CaptureStatus(
    session="s",
    source="mic",
    device="d",
    state="capturing",
    speech="live",
    captured_ms=5000,
    sent_ms=4900,
    final_ms=4000,
    lost_ms=100,
    rms_dbfs=-30.5,
    peak_dbfs=-12.0,
)


def session(state: str) -> SessionStatus:
    return SessionStatus(session="s", seq=1, label="", state=state, sources=("mic",))  # type: ignore[arg-type]


def after(*events: Event, waited_s: float = 0.0) -> list[Metric]:
    """What Prometheus reads."""
    gauges = Gauges()
    for event in events:
        gauges.on(event, now_s=0.0)

    class Numbers(Collector):
        def collect(self) -> Any:
            return gauges.families(waited_s)

    registry = CollectorRegistry()
    registry.register(Numbers())
    return list(text_string_to_metric_families(generate_latest(registry).decode()))


def value(families: list[Metric], name: str, **labels: str) -> float | None:
    for family in families:
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


def test_every_metric_has_help_and_the_right_type() -> None:
    families = after(WORKER, STREAM, session("running"))
    assert all(family.documentation for family in families)
    types = {family.name: family.type for family in families}
    assert types["causal_queue_dropped"] == "counter"
    assert types["causal_stream_captured_seconds"] == "counter"
    assert types["causal_service_resident_memory_bytes"] == "gauge"
    assert set(types.values()) == {"counter", "gauge"}


def test_a_worker_in_base_units() -> None:
    families = after(WORKER)
    assert value(families, "causal_service_up", service="stt", instance="1") == 1
    assert value(families, "causal_service_cpu_ratio", service="stt") == 0.125
    assert value(families, "causal_service_resident_memory_bytes", service="stt") == 1000
    assert value(families, "causal_queue_depth", service="stt", queue="in") == 2
    assert value(families, "causal_queue_capacity", service="stt", queue="in") == 10
    assert value(families, "causal_queue_dropped_total", service="stt", queue="in") == 3
    assert value(families, "causal_hop_latency_seconds", hop="final", quantile="0.5") == 0.04
    assert value(families, "causal_hop_latency_seconds", hop="final", quantile="0.99") == 0.25


def test_a_stream_in_base_units() -> None:
    families = after(session("running"), STREAM)
    assert value(families, "causal_stream_captured_seconds_total", session="s", source="mic") == 5.0
    assert value(families, "causal_stream_sent_seconds_total") == 4.9
    assert value(families, "causal_stream_final_seconds_total") == 4.0
    assert value(families, "causal_stream_lost_seconds_total") == 0.1
    assert value(families, "causal_stream_rms_dbfs") == -30.5
    assert value(families, "causal_stream_peak_dbfs") == -12.0
    assert value(families, "causal_stream_drift_ratio") is None
    drifting = msgspec.structs.replace(STREAM, drift_ppm=-20.0)
    assert value(after(drifting), "causal_stream_drift_ratio", source="mic") == pytest.approx(-20e-6)


def test_a_state_is_one_of_all_there_are() -> None:
    families = after(STREAM)
    assert value(families, "causal_stream_state", state="capturing") == 1
    assert value(families, "causal_stream_state", state="stalled") == 0
    assert value(families, "causal_stream_speech", speech="live") == 1
    assert value(families, "causal_stream_speech", speech="failed") == 0


def test_a_worker_that_is_silent_is_not_told_any_more() -> None:
    assert value(after(WORKER, waited_s=STALE_AFTER_S), "causal_service_up") is None


def test_streams_go_with_their_session_and_late_levels_do_not_bring_them_back() -> None:
    families = after(session("running"), STREAM, session("ended"), STREAM)
    assert value(families, "causal_stream_captured_seconds_total") is None
    assert value(families, "causal_sessions", state="ended") == 1
    assert value(families, "causal_sessions", state="running") == 0


def test_events_and_errors_are_counted() -> None:
    error = CaptureError(session="s", source="mic", code="device-lost", message="m", hint="", retrying=True)
    families = after(error, error, WORKER)
    assert value(families, "causal_events_total", type="capture-error") == 2
    assert value(families, "causal_events_total", type="gap") == 0
    assert value(families, "causal_capture_errors_total", code="device-lost") == 2


def test_strange_names_do_not_break_the_text() -> None:
    strange = msgspec.structs.replace(STREAM, source='a"\n\\b')
    assert value(after(strange), "causal_stream_rms_dbfs") == -30.5
