from causal.messages.log import LaneRange
from causal.stt.lane import Tile
from causal.stt.lanes import Lanes

FIRST = LaneRange(lane="0", from_chunk=0, to_chunk=40, covered_to=10)
OPEN = LaneRange(lane="40", from_chunk=40, to_chunk=None, covered_to=40)


def lanes() -> Lanes:
    return Lanes("s/mic", 1, [FIRST, OPEN])


def test_the_open_lane_is_the_last_and_a_new_one_takes_its_place():
    known = lanes()
    assert known.open is known.get("40")
    new = known.add(LaneRange(lane="90", from_chunk=90, to_chunk=None, covered_to=90))
    assert known.open is new


def test_behind_is_the_first_lane_that_has_an_end_and_is_not_promised_up_to_there():
    known = lanes()
    first = known.get("0")
    assert first is not None
    assert known.behind([]) is first
    assert known.behind([first]) is None
    first.lane.promised_to = 40
    assert known.behind([]) is None


def test_the_backlog_is_what_was_neither_sent_nor_promised():
    known = lanes()
    assert known.backlog_ms(60) == (40 - 10 + 60 - 40) * 100
    known.open.lane.next_index = 55
    assert known.backlog_ms(60) == (40 - 10 + 60 - 55) * 100


def test_all_is_stored_when_no_final_waits():
    known = lanes()
    assert known.all_stored
    known.open.add(None, Tile(40, 45))
    assert not known.all_stored


def test_the_stream_is_covered_to_where_its_first_unfinished_lane_is():
    known = lanes()
    assert known.covered_to == 10
    first = known.get("0")
    assert first is not None
    first.lane.covered_to = 40
    assert known.covered_to == 40
