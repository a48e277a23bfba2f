"""Which devices there are, and what becomes of backends that fail to say so."""

import pytest

from causal.capture.listing import Listing
from causal.clock import NS_PER_S
from causal.errors import SourceError
from causal.testing.fake_source import FakeSource


class Deaf(FakeSource):
    """It tells nobody of changes, and counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.asked = 0

    def watch(self, on_change):
        return None

    def devices(self):
        self.asked += 1
        return super().devices()


class Listed:
    """A listing with a backend that fails when the test wants, and one that never does."""

    def __init__(self):
        self.plug_in, self.other = Deaf(), FakeSource()
        self.plug_in.add("plug-in:mic")
        self.other.add("fake:mic")
        self.changes = 0
        self.listing = Listing({"plug-in": self.plug_in, "fake": self.other}, self.note)
        self.now_s = 0.0

    def note(self):
        self.changes += 1

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            self.tick()

    def tick(self) -> bool:
        return self.listing.tick(round(self.now_s * NS_PER_S))

    @property
    def ids(self) -> list[str]:
        return [device.id for device in self.listing.devices]


@pytest.fixture
def listed():
    return Listed()


def test_all_devices_are_known_after_the_first_tick(listed):
    assert listed.listing.devices is None
    assert listed.tick()
    assert listed.ids == ["plug-in:mic", "fake:mic"]
    assert (listed.listing.kind_of("fake:mic"), listed.listing.kind_of("fake:none")) == ("input", None)


def test_nobody_is_asked_again_without_a_reason(listed):
    listed.tick()
    listed.wait(100)
    assert listed.plug_in.asked == 1
    listed.other.add("fake:new")
    assert listed.changes == 1
    assert listed.tick()
    assert listed.ids == ["plug-in:mic", "fake:mic", "fake:new"]


@pytest.mark.parametrize("failure", [SourceError("device-unavailable", "a server sleeps"), RuntimeError("sleeps")])
def test_a_backend_that_failed_once_is_asked_again_without_anybody_saying_so(listed, failure):
    listed.plug_in.problem = failure
    listed.tick()
    assert listed.ids == ["fake:mic"]
    (problem,) = listed.listing.problems
    assert "sleeps" in problem.message
    listed.plug_in.problem = None
    listed.wait(1.1)
    assert listed.ids == ["plug-in:mic", "fake:mic"]
    assert listed.listing.problems == []


def test_a_backend_that_goes_on_failing_is_asked_ever_more_slowly(listed):
    listed.plug_in.problem = SourceError("device-unavailable", "no")
    listed.tick()
    listed.wait(63.5)
    assert listed.plug_in.asked == 7, "at 0, 1, 3, 7, 15, 31 and 61 s"
    listed.plug_in.problem = None
    listed.wait(30)
    listed.plug_in.problem = SourceError("device-unavailable", "no")
    listed.other.add("fake:new")
    listed.tick()
    asked = listed.plug_in.asked
    listed.wait(1.1)
    assert listed.plug_in.asked == asked + 1, "having answered, it is asked soon again"


def test_changes_that_could_not_be_followed_are_followed_later(listed, monkeypatch):
    def fails(on_change):
        raise SourceError("device-unavailable", "too early")

    monkeypatch.setattr(listed.other, "watch", fails)
    listing = Listing({"fake": listed.other}, listed.note)
    listing.tick(0)
    assert [device.id for device in listing.devices] == ["fake:mic"]
    assert [str(problem) for problem in listing.problems] == ["too early"]
    monkeypatch.undo()
    listing.tick(2 * NS_PER_S)
    assert listing.problems == []
    before = listed.changes
    listed.other.add("fake:new")
    assert listed.changes == before + 2, "both listings hear of it"
    listing.close()
    listed.other.add("fake:newer")
    assert listed.changes == before + 3
