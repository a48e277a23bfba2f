"""`causal-sink metrics`: the numbers of `service-status` and `capture-status` for Prometheus, on this machine only."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import click
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from causal.errors import ConfigError
from causal.messages import Event

from .gauges import Gauges
from .sink import SinkOptions

log = logging.getLogger("causal.sink")

HOST = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
"""What a client may call us; another name is a web site's that was made to point here."""
READ_WITHIN_S = 5.0


class MetricsSink:
    """Serves `http://127.0.0.1:PORT/metrics`. Remembers nothing but the newest numbers."""

    parameters = (
        click.Option(
            ["--port"], type=click.IntRange(0, 65535), default=9464, show_default=True, help="0 takes any free one."
        ),
    )
    ephemeral = ("service-status", "capture-status", "transcript-partial", "transcript-void")

    def __init__(self, options: SinkOptions) -> None:
        self._port: int = options.own.get("port", 9464)
        self._lock = threading.Lock()
        self._gauges = Gauges()
        self._server: WSGIServer | None = None

    @property
    def address(self) -> str:
        """Where it is served."""
        return f"http://{HOST}:{self._port}/metrics"

    def open(self) -> None:
        try:
            self._server = _Server((HOST, self._port), _Handler)
        except OSError as error:
            hint = "Give another one by --port; 0 takes any that is free."
            raise ConfigError(f"port {self._port} cannot be had: {error.strerror}", hint) from error
        self._port = self._server.server_port
        registry = CollectorRegistry()
        registry.register(_Numbers(self._families))
        self._server.set_app(_guarded(make_wsgi_app(registry), self._port))
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()
        log.info("metrics are at %s", self.address)

    def write(self, event: Event) -> None:
        with self._lock:
            self._gauges.on(event, time.monotonic())

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _families(self) -> list[Metric]:
        with self._lock:
            return list(self._gauges.families(time.monotonic()))


class _Numbers(Collector):
    """What prometheus-client asks at each scrape."""

    def __init__(self, families: Callable[[], list[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()


class _Server(WSGIServer):
    """One request after the other: a scrape takes a millisecond. Restarts take the port at once."""

    allow_reuse_address = True
    request_queue_size = 16


class _Handler(WSGIRequestHandler):
    timeout = READ_WITHIN_S

    def log_message(self, format: str, *args: Any) -> None:
        """Not a line for each scrape."""


def _guarded(app: Callable[..., Iterable[bytes]], port: int) -> Callable[..., Iterable[bytes]]:
    """Serves `/metrics` to those who ask this machine by its own name, and nothing else."""
    hosts = {name for host in NAMES for name in (host, f"{host}:{port}")}

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes] | Iterable[bytes]:
        status = "200 OK"
        if environ.get("HTTP_HOST") not in hosts:
            status = "421 Misdirected Request"
        elif environ["PATH_INFO"] != "/metrics":
            status = "404 Not Found"
        elif environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status = "405 Method Not Allowed"
        if status == "200 OK":
            return app(environ, start_response)
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{status}: the metrics are at /metrics\n".encode()]

    return serve
