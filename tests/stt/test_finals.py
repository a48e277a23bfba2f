from causal.messages import TranscriptFinal
from causal.messages.log import Coverage, Refused, Stored
from causal.stt.finals import FinalQueue, Send
from causal.stt.lane import Lane, Tile


def final(text: str) -> TranscriptFinal:
    return TranscriptFinal(turn=text, revision=0, text=text, start_ms=0, end_ms=0, started_at="")


def queue() -> tuple[FinalQueue, Lane]:
    lane = Lane("0", 10)
    return FinalQueue("s/mic", lane, 3), lane


def coverage(from_chunk: int, to_chunk: int) -> Coverage:
    return Coverage(stream="s/mic", lane="0", epoch=3, from_chunk=from_chunk, to_chunk=to_chunk)


STORED = Stored(id="x", seq=1)


def test_one_final_is_at_the_broker_and_the_next_waits_for_its_answer():
    finals, lane = queue()
    assert finals.add(final("a"), Tile(10, 15)) == Send(final("a"), coverage(10, 15))
    assert finals.add(final("b"), Tile(15, 22)) is None
    assert lane.covered_to == 10
    assert finals.settle(STORED) == ("stored", Send(final("b"), coverage(15, 22)))
    assert lane.covered_to == 15
    assert finals.settle(STORED) == ("stored", None)
    assert lane.covered_to == 22
    assert len(finals) == 0


def test_a_refusal_empties_the_queue_and_moves_nothing():
    finals, lane = queue()
    finals.add(final("a"), Tile(10, 15))
    finals.add(final("b"), Tile(15, 22))
    refused = Refused(id="x", code="not-next", message="", covered_to=12)
    assert finals.settle(refused) == ("out-of-step", None)
    assert (len(finals), lane.covered_to) == (0, 10)


def test_a_stale_epoch_means_that_another_worker_has_the_lane():
    finals, _ = queue()
    finals.add(final("a"), Tile(10, 15))
    assert finals.settle(Refused(id="x", code="stale-epoch", message="")) == ("superseded", None)


def test_a_mark_waits_its_turn_and_has_no_event():
    finals, lane = queue()
    finals.add(final("a"), Tile(10, 15))
    finals.add(None, Tile(15, 90))
    assert finals.settle(STORED) == ("stored", Send(None, coverage(15, 90)))
    assert finals.settle(STORED) == ("stored", None)
    assert lane.covered_to == 90


def test_an_answer_to_something_else_is_known_as_such():
    finals, _ = queue()
    assert not finals.awaits(coverage(10, 15))
    finals.add(final("a"), Tile(10, 15))
    assert finals.awaits(coverage(10, 15))
    assert not finals.awaits(coverage(8, 15))


def test_finals_behind_one_that_cannot_be_stored_are_told_each_once():
    finals, _ = queue()
    assert finals.untold(0.0) == []
    for text, tile in [("a", Tile(10, 15)), ("b", Tile(15, 22))]:
        finals.add(final(text), tile)
    finals.add(None, Tile(22, 90))
    assert finals.untold(10.0) == [], "the broker has only just been asked"
    assert finals.untold(12.0) == [final("b")], "the outbox tells the first"
    finals.add(final("c"), Tile(90, 99))
    assert finals.untold(13.0) == [final("c")]
    finals.settle(STORED)
    assert finals.untold(14.0) == finals.untold(16.0) == []
