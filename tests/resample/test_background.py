"""Work beside the loop."""

import logging
import threading
from pathlib import Path

import pytest

from causal.messages import QueueDepth
from causal.resample.background import CAPACITY, Background


@pytest.mark.parametrize("error", [OSError("no room"), ZeroDivisionError("a block of nothing")])
def test_what_fails_is_logged_and_what_comes_after_it_is_done(error, caplog):
    done = []

    def fail():
        raise error

    background = Background()
    with caplog.at_level(logging.WARNING):
        background.do(fail)
        background.do(lambda: done.append(True))
        background.close()
    assert done == [True]
    assert str(error) in caplog.text


def test_on_a_disk_that_hangs_little_waits_and_nothing_that_comes_only_once_is_refused(tmp_path: Path):
    goes_on, done = threading.Event(), []
    background = Background()
    background.do(goes_on.wait)
    with (tmp_path / "journal").open("w") as journal:
        for n in range(2 * CAPACITY):
            background.do(lambda n=n: done.append(n))
            background.sync(journal.fileno())
    background.do_once(lambda: done.append("once"))
    depth, refused = CAPACITY + 1, 3 * CAPACITY + 1
    assert background.queue() == QueueDepth(depth=depth, capacity=CAPACITY, dropped=refused)
    goes_on.set()
    background.close()
    assert done == [*range(CAPACITY // 2), "once"]
    assert background.queue().depth == 0
