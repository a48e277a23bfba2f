"""Callbacks from sockets and timers, on a plain poller and on asyncio: the same promises."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from causal import async_loop
from causal.async_loop import AsyncLoop
from causal.loop import BATCH, Loop, Timer, receive_all, send_now

Story = Callable[[Any], None]


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def pair(context) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
    here, there = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    here.bind("inproc://pair")
    there.connect("inproc://pair")
    return here, there


def run_plain(story: Story) -> None:
    loop = Loop()
    story(loop)
    loop.run()


def run_async(story: Story) -> None:
    async def main() -> None:
        loop = AsyncLoop()
        story(loop)
        await loop.run()

    asyncio.run(main())


on_both_loops = pytest.mark.parametrize("run", [run_plain, run_async], ids=["plain", "asyncio"])


@on_both_loops
def test_a_socket_is_read_until_it_is_empty(run, pair):
    here, there = pair
    heard: list[int] = []

    def story(loop):
        def read():
            heard.append(int(here.recv()))
            if len(heard) == 5 * BATCH:
                loop.stop()

        loop.on_readable(here, read)
        for number in range(5 * BATCH):
            there.send(b"%d" % number)

    run(story)
    assert heard == list(range(5 * BATCH))


@on_both_loops
def test_what_came_before_anybody_listened_is_read_too(run, pair):
    here, there = pair
    there.send(b"early")
    assert here.poll(1000), "the descriptor's change was told already"
    heard = []

    def story(loop):
        loop.on_readable(here, lambda: (heard.extend(receive_all(here)), loop.stop()))

    run(story)
    assert heard == [[b"early"]]


@on_both_loops
def test_an_answer_that_comes_while_sending_is_read_at_once(run, context, monkeypatch):
    """Sending may take the news from the descriptor; whoever trusts it alone waits for ever."""
    monkeypatch.setattr(async_loop, "RECHECK_S", 60.0)
    server, client = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    server.bind("inproc://server")
    client.connect("inproc://server")
    answers: list[list[bytes]] = []
    asked: list[bool] = []

    def story(loop):
        def ask():
            if len(asked) > len(answers):
                return
            asked.append(send_now(client, [b"?"]))
            sender, _ = server.recv_multipart()
            server.send_multipart([sender, b"!"])
            assert client.getsockopt(zmq.EVENTS) & zmq.POLLIN, "as sending does now and then"
            loop.look_again(client)

        def read():
            answers.extend(receive_all(client))
            if len(answers) == 10:
                loop.stop()

        loop.on_readable(client, read)
        loop.every(0.01, ask)

    run(story)
    assert len(answers) == 10


@on_both_loops
def test_a_descriptor_is_heard_and_its_closing_too(run):
    read_fd, write_fd = os.pipe()
    heard = []

    def story(loop):
        def read():
            heard.append(os.read(read_fd, 10))
            if heard[-1]:
                os.close(write_fd)
            else:
                loop.forget(read_fd)
                loop.stop()

        loop.on_readable(read_fd, read)
        os.write(write_fd, b"hello")

    run(story)
    os.close(read_fd)
    assert heard == [b"hello", b""]


@on_both_loops
def test_a_timer_comes_at_once_and_then_with_its_period(run, pair):
    fired_s: list[float] = []
    at_once: list[bool] = []

    def story(loop):
        loop.every(60.0, lambda: at_once.append(True))
        loop.on_readable(pair[0], lambda: None)  # a poller without anything does not wait

        def fire():
            fired_s.append(time.monotonic())
            if len(fired_s) == 4:
                loop.stop()

        loop.every(0.05, fire)

    begun_s = time.monotonic()
    run(story)
    assert at_once, "and not a minute later"
    assert fired_s[-1] - begun_s >= 0.1, "at once, within a period, then two whole ones"


def test_timers_of_one_process_fall_on_one_grid_so_that_it_wakes_once_for_all():
    slow, fast = Timer(1.0, lambda: None), Timer(0.25, lambda: None)
    slow.advance()
    before_s = time.monotonic()
    fast.advance()
    turns = (slow.due_s - fast.due_s) / 0.25
    assert abs(turns - round(turns)) < 1e-6
    assert before_s < fast.due_s <= time.monotonic() + 0.25


def test_processes_share_the_grid_so_that_who_is_asked_by_many_wakes_once():
    timer = Timer(1.0, lambda: None)
    timer.advance()
    assert timer.due_s == int(timer.due_s)


def test_a_loop_that_is_awake_takes_along_what_is_nearly_due_and_keeps_the_grid():
    timer = Timer(1.0, lambda: None)
    timer.due_s = due_s = time.monotonic() // 1 + 100.0
    assert not timer.may_come(due_s - 0.2)
    assert timer.may_come(due_s - 0.05)
    timer.advance()
    assert timer.due_s == due_s + 1.0, "its turn is not given twice"


def test_a_fast_timer_comes_early_by_half_its_period_at_most():
    timer = Timer(0.05, lambda: None)
    timer.due_s = 100.0
    assert timer.may_come(99.976)
    assert not timer.may_come(99.97)


@on_both_loops
def test_a_hurried_timer_does_not_wait_for_its_turn(run):
    fired_s: list[float] = []

    def story(loop):
        def fire():
            fired_s.append(time.monotonic())
            if len(fired_s) == 2:
                loop.stop()
            timers[0].hurry()

        timers = [loop.every(60.0, fire)]

    run(story)
    assert fired_s[1] - fired_s[0] < 5.0


@on_both_loops
def test_a_timer_can_be_made_faster_and_then_comes_sooner(run):
    turns = []

    def story(loop):
        def fire():
            turns.append("turn")
            timer.period_s = 0.01
            if len(turns) == 3:
                loop.stop()

        timer = loop.every(60.0, fire)

    run(story)
    assert len(turns) == 3


@on_both_loops
def test_a_flood_on_one_socket_leaves_the_timers_their_turn(run, pair):
    here, there = pair
    fired = []

    def story(loop):
        def read():
            receive_all(here)
            there.send(b"more")

        def fire():
            fired.append(True)
            if len(fired) == 5:
                loop.stop()

        loop.on_readable(here, read)
        loop.every(0.01, fire)
        there.send(b"first")

    run(story)
    assert len(fired) == 5


@on_both_loops
def test_what_was_forgotten_is_not_called(run, pair):
    here, there = pair
    calls = []

    def story(loop):
        loop.on_readable(here, lambda: calls.append("read"))
        loop.forget(here)
        loop.forget(here)
        there.send(b"x")
        turns = iter(range(3))
        loop.every(0.03, lambda: next(turns, None) is None and loop.stop())

    run(story)
    assert calls == []


@on_both_loops
@pytest.mark.parametrize("place", ["timer", "socket", "descriptor"])
def test_what_a_callback_raises_ends_the_run(run, place, pair):
    here, there = pair
    read_fd, write_fd = os.pipe()

    def story(loop):
        def fail():
            raise ZeroDivisionError

        turns = iter(range(10))
        loop.every(0.05, lambda: next(turns, None) is None and loop.stop())
        if place == "timer":
            loop.every(1.0, fail)
        elif place == "socket":
            loop.on_readable(here, fail)
            there.send(b"x")
        else:
            loop.on_readable(read_fd, fail)
            os.write(write_fd, b"x")

    with pytest.raises(ZeroDivisionError):
        run(story)
    os.close(read_fd)
    os.close(write_fd)


@on_both_loops
def test_a_timer_may_begin_another(run):
    calls = []

    def story(loop):
        def second():
            calls.append("second")
            loop.stop()

        loop.every(60.0, lambda: (calls.append("first"), loop.every(60.0, second)))

    run(story)
    assert calls == ["first", "second"]


@on_both_loops
def test_a_stop_before_the_run_is_a_stop(run):
    run(lambda loop: loop.stop())


# --- the plain loop ---


def test_the_callback_that_stops_is_the_last():
    loop = Loop()
    calls = []
    loop.every(600.0, lambda: (calls.append("first"), loop.stop()))
    loop.every(600.0, lambda: calls.append("second"))
    loop.run()
    assert calls == ["first"]
    loop.every(600.0, loop.stop)
    loop.run()
    assert calls == ["first", "second"]


def test_a_loop_without_anything_waits_without_work():
    loop = Loop()
    read_fd, write_fd = os.pipe()
    loop.on_readable(read_fd, loop.stop)
    timer = threading.Timer(0.3, os.write, (write_fd, b"x"))
    timer.start()
    used_s = time.process_time()
    loop.run()
    assert time.process_time() - used_s < 0.1
    timer.join()
    os.close(read_fd)
    os.close(write_fd)


# --- the loop on asyncio ---


def test_work_that_fails_ends_the_run_and_cancels_the_rest():
    cancelled = []

    def story(loop):
        async def wait():
            try:
                await asyncio.sleep(60)
            finally:
                cancelled.append(True)

        async def fail():
            await asyncio.sleep(0)
            raise ZeroDivisionError

        loop.spawn(wait())
        loop.spawn(fail())

    with pytest.raises(ZeroDivisionError):
        run_async(story)
    assert cancelled == [True]


def test_work_that_is_cancelled_or_done_ends_nothing():
    def story(loop):
        async def done():
            pass

        async def stop():
            await asyncio.wait(over)
            loop.stop()

        over = [loop.spawn(done()), loop.spawn(asyncio.sleep(60))]
        over[1].cancel()
        loop.spawn(stop())

    run_async(story)


# --- sockets ---


def test_at_most_a_batch_is_taken_at_once(pair):
    here, there = pair
    for _ in range(BATCH + 1):
        there.send(b"x")
    assert here.poll(1000)
    assert len(receive_all(here)) == BATCH
    assert len(receive_all(here)) == 1
    assert receive_all(here) == []


def test_a_peer_that_is_away_makes_nobody_wait(context):
    socket = context.socket(zmq.PUSH)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    with contextlib.closing(socket):
        socket.connect("inproc://nobody")
        sent = [send_now(socket, [b"x"]) for _ in range(3000)]
    assert not sent[-1]
