"""Answers beside the controller's loop."""

from __future__ import annotations

import threading
from typing import Any

from causal.control.clerk import MAX_WAITING, Clerk
from causal.control.effects import Ticket
from causal.errors import CausalError
from causal.testing.waiting import until


def answers(clerk: Clerk, count: int) -> list[tuple[Any, dict[str, Any]]]:
    """At least so many."""
    made: list[tuple[Any, dict[str, Any]]] = []
    until(lambda: made.extend(clerk.made()) or len(made) >= count, what=lambda: f"{count} answers; there are {made}")
    return made


def ticket(number: int) -> Ticket:
    return Ticket((b"c",), number)


def test_answers_come_one_after_the_other_each_to_its_ticket():
    clerk = Clerk("sums")
    for number in range(3):
        clerk.ask(ticket(number), lambda number=number: {"sum": number + 1})
    made = answers(clerk, 3)
    assert [(one.id, fields) for one, fields in made] == [(n, {"ok": True, "sum": n + 1}) for n in range(3)]


def test_a_refusal_is_an_answer_too():
    def refused():
        raise CausalError("auth-failed", "no", "Ask.")

    clerk = Clerk("tokens")
    clerk.ask(ticket(1), refused)
    ((_, fields),) = answers(clerk, 1)
    assert fields == {"ok": False, "error": {"code": "auth-failed", "message": "no", "hint": "Ask."}}


def test_a_mistake_costs_one_answer_and_not_those_that_come_after_and_tells_no_secret():
    def mistaken():
        raise ZeroDivisionError("my-secret")

    clerk = Clerk("tokens")
    clerk.ask(ticket(1), mistaken)
    clerk.ask(ticket(2), lambda: {"token": "t"})
    (_, first), (_, second) = answers(clerk, 2)
    assert (first["error"]["code"], first["error"]["message"]) == (
        "internal",
        "tokens cannot be made: ZeroDivisionError",
    )
    assert second == {"ok": True, "token": "t"}


def test_a_flood_of_wishes_is_refused_and_takes_no_threads():
    may_answer = threading.Event()
    clerk = Clerk("tokens")
    threads = threading.active_count()
    for number in range(1000):
        clerk.ask(ticket(number), lambda: {"waited": may_answer.wait(30)})
    refused = answers(clerk, 1000 - MAX_WAITING - 1)
    assert {fields["error"]["code"] for _, fields in refused} == {"busy"}
    assert threading.active_count() <= threads + 1
    assert MAX_WAITING - 1 <= clerk.queue().depth <= clerk.queue().capacity == MAX_WAITING
    assert clerk.queue().dropped == len(refused)
    may_answer.set()
    assert len(answers(clerk, 1000 - len(refused))) + len(refused) == 1000
