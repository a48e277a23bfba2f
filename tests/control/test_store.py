"""The sessions on disk, as the next controller finds them."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal.control.session import Session, Stream
from causal.control.store import Pending, SessionStore
from causal.messages import StreamName
from causal.messages.control import Fault, StreamReport


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SessionStore]:
    with contextlib.closing(SessionStore(path)) as store:
        yield store


def session(number: int = 1, **fields: object) -> Session:
    name = f"s{number}"
    given = {
        "id": name,
        "label": "Wörter 字幕",
        "engine": "local",
        "language": None,
        "keyterms": ("Causal",),
        "record": False,
        "started_ns": 2**62,
        "started_unix_ns": number,
        "stack": "one",
        "streams": [Stream(name=StreamName(name, "mic"), device="mic")],
    }
    return Session(**given | fields)


def test_a_session_comes_back_as_it_was(path, store):
    begun = session(request_id="r-1")
    (stream,) = begun.streams
    stream.hand_to("capture", "1", "process")
    fault = Fault(code="device-lost", message="gone", retrying=True)
    assert stream.hear("capture", StreamReport(stream="s1/mic", epoch=1, rms_dbfs=float("-inf"), fault=fault))
    stream.told, stream.told_faults = ("stalled", "live"), {"capture": fault}
    store.save(begun)
    with contextlib.closing(SessionStore(path)) as next_store:
        (found,) = next_store.unsettled()
    assert found.streams[0].reports["capture"].rms_dbfs is None, "JSON knows no infinity; the next report comes soon"
    found.streams[0].reports = stream.reports
    assert found == begun
    assert isinstance(found.streams[0].name, StreamName)


def test_the_latest_state_counts(store):
    one = session()
    store.save(one)
    one.state = "finishing"
    store.save(one)
    assert [found.state for found in store.unsettled()] == ["finishing"]


def test_a_session_is_left_to_the_next_controller_until_its_end_is_in_the_log(store):
    one = session(state="ended")
    store.save(one)
    assert store.unsettled() == [one]
    store.settle("s1")
    assert store.unsettled() == []
    assert store.newest() == [one]


def test_settling_what_is_not_there_is_no_matter(store):
    store.settle("nobody")


def test_the_unsettled_come_in_order_and_the_newest_first(store):
    for number in (2, 3, 1):
        store.save(session(number))
    assert [found.id for found in store.unsettled()] == ["s1", "s2", "s3"]
    assert [found.id for found in store.newest(limit=2)] == ["s3", "s2"]


def test_what_another_release_wrote_does_not_keep_the_rest_away(path, store, caplog):
    store.save(session(1))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("""INSERT INTO sessions VALUES ('odd', 5, 0, '{"id": "odd", "mood": "good"}')""")
        other.execute("INSERT INTO sessions VALUES ('broken', 6, 0, '{')")
    assert [found.id for found in store.unsettled()] == ["s1"]
    assert [found.id for found in store.newest()] == ["s1"]
    assert "session odd is not understood" in caplog.text


def test_a_writer_beside_the_controller_is_an_error_soon_not_a_long_wait(path, store):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.save(session())


def test_the_grants_that_were_written_last_come_back(path, store):
    assert store.grants() == {}
    store.save_grants({"a": 1.5, "b": 2.5})
    store.save_grants({"b": 2.5, "c": 3.5})
    with contextlib.closing(SessionStore(path)) as next_store:
        assert next_store.grants() == {"b": 2.5, "c": 3.5}


# --- what cannot be saved ---


class TightDisk:
    """A store whose file may not grow, until `make_room`."""

    def __init__(self, path: Path) -> None:
        self.store = SessionStore(path)
        self.pending = Pending(path.parent)
        (self._pages,) = self.store._db.execute("PRAGMA page_count").fetchone()

    def fill(self) -> None:
        self.store._db.execute(f"PRAGMA max_page_count = {self._pages}")

    def make_room(self) -> None:
        self.store._db.execute("PRAGMA max_page_count = 100000")

    def save_grants(self, count: int) -> None:
        granted_s = {f"wish {number} {'x' * 100}": float(number) for number in range(count)}
        self.pending.write("grants", lambda: self.store.save_grants(granted_s))


@pytest.fixture
def tight(path: Path) -> Iterator[TightDisk]:
    tight = TightDisk(path)
    with contextlib.closing(tight.store):
        yield tight


def test_what_a_full_disk_refuses_is_a_fault_and_is_saved_when_there_is_room(tight):
    tight.save_grants(1)
    assert tight.pending.fault is None
    tight.fill()
    tight.save_grants(2_000)
    assert tight.pending.fault.code == "disk-full"
    assert "Make room" in tight.pending.fault.hint
    assert len(tight.store.grants()) == 1, "all or nothing"
    tight.pending.retry()
    assert tight.pending.fault is not None

    tight.make_room()
    tight.pending.retry()
    assert tight.pending.fault is None
    assert len(tight.store.grants()) == 2_000


def test_only_the_newest_of_a_name_waits(tight):
    tight.fill()
    tight.save_grants(2_000)
    tight.save_grants(3_000)
    tight.make_room()
    tight.pending.retry()
    assert len(tight.store.grants()) == 3_000


def test_what_waits_is_saved_in_the_order_in_which_it_came(tight, caplog):
    done = []

    def refused() -> None:
        raise sqlite3.OperationalError("database is locked")

    tight.pending.write("session a", refused)
    tight.pending.write("settled a", lambda: done.append("settled a"))
    assert done == [], "not before what came before it"
    assert tight.pending.fault.code == "internal"
    tight.pending.write("session a", lambda: done.append("session a"))
    assert done == ["settled a", "session a"]
    assert tight.pending.fault is None
    assert [record.levelname for record in caplog.records] == ["ERROR"], "it is logged once"
