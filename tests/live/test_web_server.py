"""The server's thread and whoever tells it events."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from causal.errors import CausalError
from causal.messages import QueueDepth, TranscriptVoid
from causal.paths import Paths
from causal.sink.web import Server
from causal.sink.web_access import Access
from causal.sink.web_control import Control
from causal.sink.web_history import History
from causal.testing.waiting import until

pytestmark = pytest.mark.live

EVENT = TranscriptVoid(session="s", source="mic", turn="0-1-1-0")


def test_a_server_that_takes_nothing_is_told_no_more_than_it_can_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "CAPACITY", 5)
    monkeypatch.setattr(Server, "UNSEEN", 1)
    monkeypatch.setattr(Server, "LONGEST_WAIT_S", 0.05)
    standing, going_on = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        port = listener.getsockname()[1]
        control = Control(Paths(tmp_path, tmp_path, tmp_path))
        server = Server(listener, Access("secret", port), History(None), control)
        server.start()
        stack.callback(server.stop)
        stack.callback(going_on.set)
        server._loop.call_soon_threadsafe(lambda: (standing.set(), going_on.wait()))
        standing.wait()
        for _ in range(5):
            server.tell(EVENT)
        with pytest.raises(CausalError, match="takes no events"):
            server.tell(EVENT)
        assert server.queues()["events"] == QueueDepth(depth=5, capacity=5)
        going_on.set()
        until(lambda: server.queues()["events"].depth == 0)
        server.tell(EVENT)
