"""The numbers of `service-status` and `capture-status` as Prometheus counts them: seconds, bytes, ratios. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from causal.messages import EVENT_TYPES, CaptureError, CaptureStatus, Event, ServiceStatus, SessionStatus
from causal.messages.events import CaptureState, SessionState, SpeechState

STALE_AFTER_S = 5.0
"""A worker that says nothing for so long is gone: its numbers are not told any more."""

SERVICE = ["service", "instance"]
STREAM = ["session", "source"]
KIND_OF = {event: kind for kind, event in EVENT_TYPES.items()}


class Gauges:
    """The newest status of each worker and of each stream of a session that has not ended. One thread at a time."""

    def __init__(self) -> None:
        self._services: dict[tuple[str, str], tuple[ServiceStatus, float]] = {}
        self._streams: dict[tuple[str, str], CaptureStatus] = {}
        self._sessions: dict[str, SessionStatus] = {}
        self._events: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    def on(self, event: Event, now_s: float) -> None:
        """Takes an event in."""
        self._events[KIND_OF[type(event)]] += 1
        match event:
            case ServiceStatus():
                self._services[event.service, event.instance] = (event, now_s)
            case CaptureStatus() if not self._has_ended(event.session):
                self._streams[event.session, event.source] = event
            case CaptureError():
                self._errors[event.code] += 1
            case SessionStatus():
                self._sessions[event.session] = event
                if event.state == "ended":
                    self._streams = {key: one for key, one in self._streams.items() if key[0] != event.session}

    def families(self, now_s: float) -> Iterator[Metric]:
        """All metrics with their samples."""
        self._services = {key: one for key, one in self._services.items() if now_s - one[1] < STALE_AFTER_S}
        statuses = [status for status, _ in self._services.values()]
        yield from _of_services(statuses)
        yield from _of_queues(statuses)
        yield from _of_streams(list(self._streams.values()))
        yield from self._of_sessions()

    def _has_ended(self, session: str) -> bool:
        known = self._sessions.get(session)
        return known is not None and known.state == "ended"

    def _of_sessions(self) -> Iterator[Metric]:
        sessions = GaugeMetricFamily("causal_sessions", "Sessions heard of, by state.", labels=["state"])
        states = Counter(session.state for session in self._sessions.values())
        for state in get_args(SessionState):
            sessions.add_metric([state], states[state])
        yield sessions
        events = CounterMetricFamily("causal_events", "Events heard since this sink began, by type.", labels=["type"])
        for kind in EVENT_TYPES:
            events.add_metric([kind], self._events[kind])
        yield events
        text = "Errors of capture and of the speech service since this sink began, by code."
        errors = CounterMetricFamily("causal_capture_errors", text, labels=["code"])
        for code, count in self._errors.items():
            errors.add_metric([code], count)
        yield errors


def _of_services(statuses: list[ServiceStatus]) -> Iterator[Metric]:
    up = GaugeMetricFamily("causal_service_up", "1 for each worker that lives.", labels=SERVICE)
    cpu = GaugeMetricFamily("causal_service_cpu_ratio", "Processor time used: 1 is one core.", labels=SERVICE)
    rss = GaugeMetricFamily("causal_service_resident_memory_bytes", "Resident memory.", labels=SERVICE)
    text = "How long a hop takes: the median, and the slowest hundredth."
    hops = GaugeMetricFamily("causal_hop_latency_seconds", text, labels=[*SERVICE, "hop", "quantile"])
    for status in statuses:
        who = [status.service, status.instance]
        up.add_metric(who, 1)
        cpu.add_metric(who, status.cpu_percent / 100)
        rss.add_metric(who, status.rss_bytes)
        for hop, latency in status.latency_ms.items():
            hops.add_metric([*who, hop, "0.5"], latency.p50 / 1000)
            hops.add_metric([*who, hop, "0.99"], latency.p99 / 1000)
    yield from (up, cpu, rss, hops)


def _of_queues(statuses: list[ServiceStatus]) -> Iterator[Metric]:
    labels = [*SERVICE, "queue"]
    depth = GaugeMetricFamily("causal_queue_depth", "What waits in a queue.", labels=labels)
    capacity = GaugeMetricFamily("causal_queue_capacity", "What fits into a queue.", labels=labels)
    text = "What did not fit into a queue, since the worker began."
    dropped = CounterMetricFamily("causal_queue_dropped", text, labels=labels)
    for status in statuses:
        for name, queue in status.queues.items():
            where = [status.service, status.instance, name]
            depth.add_metric(where, queue.depth)
            capacity.add_metric(where, queue.capacity)
            dropped.add_metric(where, queue.dropped)
    yield from (depth, capacity, dropped)


def _of_streams(statuses: list[CaptureStatus]) -> Iterator[Metric]:
    lengths = {
        "captured": "Sound heard from the device.",
        "sent": "Sound handed to the speech service.",
        "final": "Sound that stored finals cover.",
        "lost": "Sound that was not heard: the length of all gaps.",
    }
    for name, text in lengths.items():
        family = CounterMetricFamily(f"causal_stream_{name}_seconds", text, labels=STREAM)
        for status in statuses:
            family.add_metric([status.session, status.source], getattr(status, f"{name}_ms") / 1000)
        yield family
    for name, text in {"rms": "Level of the sound.", "peak": "Peak level of the sound."}.items():
        level = GaugeMetricFamily(f"causal_stream_{name}_dbfs", text, labels=STREAM)
        for status in statuses:
            level.add_metric([status.session, status.source], getattr(status, f"{name}_dbfs"))
        yield level
    text = "By how much the device's clock is fast: 1e-6 is 1 ppm. Absent until it is known."
    drift = GaugeMetricFamily("causal_stream_drift_ratio", text, labels=STREAM)
    for status in statuses:
        if status.drift_ppm is not None:
            drift.add_metric([status.session, status.source], status.drift_ppm * 1e-6)
    yield drift
    for name, states in {"state": get_args(CaptureState), "speech": get_args(SpeechState)}.items():
        text = f"1 for the `{name}` in which the stream is, 0 for the others."
        state_set = GaugeMetricFamily(f"causal_stream_{name}", text, labels=[*STREAM, name])
        for status in statuses:
            for state in states:
                is_now = getattr(status, name) == state
                state_set.add_metric([status.session, status.source, state], float(is_now))
        yield state_set
