"""Which page is told what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from causal.messages import CaptureStatus, Event, QueueDepth, SessionStatus, TranscriptFinal, TranscriptPartial
from causal.sink.web_history import History
from causal.sink.web_hub import MAX_PAGES, Hub, Page


@pytest.fixture
def history() -> Iterator[History]:
    history = History(None)
    yield history
    history.close()


@pytest.fixture
def hub(history: History) -> Hub:
    return Hub(history)


def words(turn: str, seq: int | None = None, session: str = "s") -> dict[str, Any]:
    return {
        **{"session": session, "source": "mic", "turn": turn, "revision": 0, "text": turn, "seq": seq},
        **{"start_ms": 0, "end_ms": 1, "started_at": ""},
    }


def entered(hub: Hub) -> Page:
    page = hub.enter()
    assert page is not None
    return page


def told(page: Page) -> list[dict[str, Any]]:
    """What waits for a page."""
    messages = []
    while (message := page.take()) is not None:
        messages.append(json.loads(message))
    return messages


def store(hub: Hub, history: History, *events: Event) -> None:
    """As the sink does: into the history, then to the pages."""
    for event in events:
        if event.seq is not None:
            history.add(event)
        hub.tell(event)


def test_a_page_is_told_its_session_and_no_other(hub: Hub, history: History) -> None:
    page = entered(hub)
    hub.show(page, "s", 0, "")
    store(hub, history, TranscriptFinal(**words("1", 1)), TranscriptFinal(**words("2", 2, "other")))
    shown, news = told(page)
    assert (shown["type"], shown["events"]) == ("shown", [])
    assert (news["type"], news["turn"]) == ("transcript-final", "1")


def test_what_was_stored_before_is_shown_and_not_told_again(hub: Hub, history: History) -> None:
    page = entered(hub)
    final = TranscriptFinal(**words("1", 1))
    history.add(final)
    hub.show(page, "s", 0, "")
    hub.tell(final)  # on its way between the threads while the page asked
    (shown,) = told(page)
    assert [event["seq"] for event in shown["events"]] == [1]


def test_a_page_that_comes_again_gets_what_it_missed(hub: Hub, history: History) -> None:
    store(hub, history, *(TranscriptFinal(**words(str(n), n)) for n in (1, 2, 3)))
    page = entered(hub)
    hub.show(page, "s", 2, history.log)
    (shown,) = told(page)
    assert ([event["seq"] for event in shown["events"]], shown["after"]) == ([3], 2)


def test_a_page_that_knows_another_log_gets_all(hub: Hub, history: History) -> None:
    store(hub, history, *(TranscriptFinal(**words(str(n), n)) for n in (1, 2, 3)))
    page = entered(hub)
    hub.show(page, "s", 2, "former")
    (shown,) = told(page)
    assert ([event["seq"] for event in shown["events"]], shown["after"]) == ([1, 2, 3], 0)


def test_what_is_being_said_is_shown_too(hub: Hub) -> None:
    hub.tell(TranscriptPartial(**words("1")))
    page = entered(hub)
    hub.show(page, "s", 0, "")
    (shown,) = told(page)
    assert [partial["turn"] for partial in shown["partials"]] == ["1"]


def test_every_page_is_told_how_sessions_and_streams_do(hub: Hub, history: History) -> None:
    status = CaptureStatus(session="s", source="mic", device="d", state="capturing", speech="live")
    page = entered(hub)
    store(hub, history, SessionStatus(session="s", label="", state="running", sources=("mic",), seq=1), status)
    assert [message["type"] for message in told(page)] == ["session-status", "capture-status"]
    assert [message["type"] for message in told(entered(hub))] == ["capture-status"], "a later page too"


def test_a_fact_is_told_once_and_to_who_comes_later(hub: Hub) -> None:
    page = entered(hub)
    hub.tell_fact("devices", {"devices": []})
    hub.tell_fact("devices", {"devices": []})
    assert told(page) == [{"type": "devices", "devices": []}]
    assert told(entered(hub)) == [{"type": "devices", "devices": []}]


def test_a_page_that_does_not_keep_up_is_sent_away_and_the_others_are_not(hub: Hub, history: History) -> None:
    slow, quick = entered(hub), entered(hub)
    hub.show(quick, "s", 0, "")
    hub.show(slow, "s", 0, "")
    for n in range(1, Page.CAPACITY + 1):
        store(hub, history, TranscriptFinal(**words(str(n), n)))
        if n % 1000 == 0:
            told(quick)
    assert slow.is_late and not quick.is_late
    assert hub.queue() == QueueDepth(depth=Page.CAPACITY, capacity=2 * Page.CAPACITY, dropped=1)
    assert slow.take() is None
    hub.leave(slow)
    assert hub.queue() == QueueDepth(depth=0, capacity=Page.CAPACITY, dropped=1), "what was dropped stays counted"


def test_another_log_sends_all_pages_away(hub: Hub, history: History) -> None:
    page = entered(hub)
    hub.show(page, "s", 0, "")
    store(hub, history, TranscriptFinal(**words("1", 7)), TranscriptFinal(**words("1", 1)))
    assert page.is_late
    hub.leave(page)
    again = entered(hub)
    hub.show(again, "s", 7, "")
    (shown,) = told(again)
    assert [event["seq"] for event in shown["events"]] == [1]


def test_too_many_pages_are_refused_and_one_that_leaves_makes_room(hub: Hub) -> None:
    pages = [entered(hub) for _ in range(MAX_PAGES)]
    assert hub.enter() is None
    hub.leave(pages[0])
    assert hub.enter() is not None
    for page in pages:
        hub.leave(page)
