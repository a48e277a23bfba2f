"""The metrics over HTTP, and in a stack."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from causal.errors import ConfigError
from causal.messages import Gap
from causal.sink.metrics import MetricsSink
from causal.sink.sink import SinkOptions
from causal.testing.one_loop import OneLoop
from causal.testing.stack import Stack

pytestmark = pytest.mark.live


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[MetricsSink]:
    sink = MetricsSink(SinkOptions(tmp_path, own={"port": 0}))
    sink.open()
    yield sink
    sink.close()


def port_of(sink: MetricsSink) -> int:
    return int(sink.address.rsplit(":", 1)[1].partition("/")[0])


def got(port: int, path: str = "/metrics", method: str = "GET", host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    connection.request(method, path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_prometheus_reads_it(sink: MetricsSink) -> None:
    sink.write(Gap(session="s", source="mic", seq=1, start_ms=0, length_ms=1, reason="moved"))
    status, text = got(port_of(sink))
    assert status == 200
    events = next(one for one in text_string_to_metric_families(text) if one.name == "causal_events")
    assert {sample.labels["type"]: sample.value for sample in events.samples}["gap"] == 1


def test_there_is_nothing_else_and_no_other_name(sink: MetricsSink) -> None:
    port = port_of(sink)
    assert got(port, "/")[0] == 404
    assert got(port, method="POST")[0] == 405
    assert got(port, host=f"localhost:{port}")[0] == 200
    status, text = got(port, host="evil.example")
    assert status == 421
    assert "causal_" not in text


def test_a_client_that_says_nothing_holds_nobody_up_for_long(
    sink: MetricsSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("causal.sink.metrics._Handler.timeout", 1.0)
    with socket.create_connection(("127.0.0.1", port_of(sink))):
        assert got(port_of(sink))[0] == 200


def test_a_port_that_is_taken_is_told(sink: MetricsSink, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be had: Address already in use"):
        MetricsSink(SinkOptions(tmp_path, own={"port": port_of(sink)})).open()


def test_it_may_be_closed_twice_and_opened_again(tmp_path: Path) -> None:
    sink = MetricsSink(SinkOptions(tmp_path, own={"port": 0}))
    sink.close()
    sink.open()
    port = port_of(sink)
    sink.close()
    sink.close()
    sink.open()
    assert port_of(sink) == port
    sink.close()


def test_in_a_stack_every_worker_is_told(procfile: Path) -> None:
    with Stack(procfile, ["broker", "control"]) as stack, OneLoop(stack.paths) as publisher, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        stack.launch("causal-sink", "metrics", "--port", str(port))

        def workers() -> set[str]:
            try:
                text = got(port)[1]
            except OSError:
                return set()
            up = next(one for one in text_string_to_metric_families(text) if one.name == "causal_service_up")
            return {sample.labels["service"] for sample in up.samples}

        stack.until(lambda: {"broker", "control", "sink"} <= workers())
        publisher.publish(Gap(session="s", source="mic", start_ms=0, length_ms=1, reason="moved"))
        stack.until(lambda: 'causal_events_total{type="gap"} 1.0' in got(port)[1])
