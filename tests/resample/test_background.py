"""Work beside the loop."""

import logging

import pytest

from causal.resample.background import Background


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
