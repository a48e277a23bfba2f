import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.messages import Chunk
from causal.stt.lane import Lane, Tile

LOUD, QUIET = 8000, 20


def chunk(index: int, position: int, valid: int = 1600) -> Chunk:
    return Chunk(stream="s/mic", index=index, position=position, captured_ns=0, valid=valid)


def audio(amplitude: int) -> np.ndarray:
    return np.random.default_rng(1).integers(-amplitude, amplitude + 1, 1600).astype(np.int16)


def lane(levels: str, covered_to: int = 0) -> Lane:
    """A lane that has sent a chunk for each letter: `#` is speech, `.` is silence."""
    made = Lane("0", covered_to)
    made.begin_connection()
    for n, letter in enumerate(levels):
        index = covered_to + n
        made.sent(chunk(index, index * 1600), audio(LOUD if letter == "#" else QUIET))
    return made


def test_without_gaps_the_time_lines_differ_by_where_the_connection_began():
    made = lane("." * 10, covered_to=50)
    assert [made.stream_ms(ms) for ms in (0, 1, 99, 100, 999)] == [5000, 5001, 5099, 5100, 5999]
    assert made.sent_ms == 1000
    assert made.sent_to_ms == 6000


def test_a_gap_shifts_all_that_follows_and_a_word_at_its_edge_stays_on_its_side():
    made = Lane("0", 0)
    made.begin_connection()
    made.sent(chunk(0, 0), audio(QUIET))
    made.sent(chunk(1, 1600 + 16 * 3456), audio(QUIET))
    assert made.stream_end_ms(100) == 100
    assert made.stream_ms(100) == 100 + 3456
    assert made.stream_ms(137) == 137 + 3456


def across_a_sleep(before: str, behind: str) -> Lane:
    """A lane whose chunks, a letter each as in `lane`, have an hour without sound between them."""
    made = Lane("0", 0)
    made.begin_connection()
    for n, letter in enumerate(before + behind):
        position = n * 1600 + (3_600_000 * 16 if n >= len(before) else 0)
        made.sent(chunk(n, position), audio(LOUD if letter == "#" else QUIET))
    return made


def test_a_word_that_is_said_to_start_early_does_not_start_before_the_gap_in_front_of_it():
    made = across_a_sleep("#....", "...##..")
    assert made.stream_span(50, 1000, begins_turn=True) == (3_600_500, 3_601_000)
    assert made.stream_span(700, 1000, begins_turn=True) == (3_600_700, 3_601_000)


def test_a_word_that_is_said_to_end_late_does_not_end_behind_the_gap_that_follows_it():
    made = across_a_sleep("..##.", ".....")
    assert made.stream_span(200, 640) == (200, 500)
    assert made.stream_span(200, 400) == (200, 400)
    assert across_a_sleep("..##", ".##...").stream_span(200, 640) == (200, 400)


def test_a_word_that_a_gap_cuts_lies_where_most_of_it_was_heard():
    assert across_a_sleep("...##", "#....").stream_span(310, 580) == (310, 500)
    assert across_a_sleep("....#", "##...").stream_span(410, 680) == (3_600_500, 3_600_680)


def test_a_word_reaches_over_a_short_gap():
    made = Lane("0", 0)
    made.begin_connection()
    for n in range(4):
        made.sent(chunk(n, n * 1600 + (4000 if n >= 2 else 0)), audio(LOUD))
    assert made.stream_span(50, 320) == (50, 570)


def test_the_last_of_several_gaps_in_the_silence_before_a_word_is_the_one_that_it_starts_behind():
    made = Lane("0", 0)
    made.begin_connection()
    for n, letter in enumerate("....##"):
        made.sent(chunk(n, n * 16_000), audio(LOUD if letter == "#" else QUIET))
    assert made.stream_span(0, 500, begins_turn=True) == (4000, 4100)


def test_padding_is_counted_and_no_time_lies_in_it():
    made = Lane("0", 0)
    made.begin_connection()
    made.sent(chunk(0, 0, valid=400), audio(QUIET))
    made.sent(chunk(1, 100_000), audio(QUIET))
    assert made.padding_samples == 1200
    assert made.stream_end_ms(90) == 25
    assert made.stream_ms(100) == 6250


def test_the_times_of_a_device_that_is_fast_or_slow_are_those_of_its_chunks_and_never_go_back():
    for step in (1600 - 16, 1600 - 400, 1600 + 16):
        made = Lane("0", 0)
        made.begin_connection()
        for n in range(4):
            made.sent(chunk(n, n * step), audio(QUIET))
        assert [made.stream_ms(ms) for ms in (0, 100, 200, 350)] == [0, step // 16, step // 8, 3 * step // 16 + 50]
        times = [made.stream_ms(ms) for ms in range(400)]
        assert times == sorted(times)
        ends = [made.stream_end_ms(ms) for ms in range(1, 400)]
        assert all(end <= start for end, start in zip(ends, times[1:], strict=True))


def test_times_outside_of_what_was_sent_are_the_nearest_inside():
    made = lane("...", covered_to=10)
    assert made.stream_end_ms(10_000) == 1300
    assert Lane("0", 0).stream_ms(500) == 0


@given(
    st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(1, 1600)), min_size=1, max_size=60),
    st.data(),
)
def test_every_sample_heard_maps_back_to_within_a_millisecond(rows, data):
    made, position = Lane("0", 7), 0
    made.begin_connection()
    starts = []
    for n, (gap, valid) in enumerate(rows):
        position += gap
        made.sent(chunk(7 + n, position, valid), np.zeros(1600, np.int16))
        starts.append(position)
        position += valid
    row = data.draw(st.integers(0, len(rows) - 1))
    offset_ms = data.draw(st.integers(0, (rows[row][1] - 1) // 16))
    assert abs(made.stream_ms(row * 100 + offset_ms) - (starts[row] / 16 + offset_ms)) <= 1


@given(st.text("#.|", min_size=1, max_size=20), st.integers(0, 3000), st.integers(0, 3000))
def test_whatever_span_the_service_tells_it_lies_in_what_was_sent(levels, start_ms, length_ms):
    made, position = Lane("0", 0), 0
    made.begin_connection()
    for n, letter in enumerate(levels):
        position += 1600 + (90_000 if letter == "|" else 0)
        made.sent(chunk(n, position), audio(LOUD if letter == "#" else QUIET))
    start, end = made.stream_span(start_ms, start_ms + length_ms)
    assert made.stream_ms(start_ms) <= start <= end
    assert end <= max(start, made.stream_end_ms(start_ms + length_ms)) <= made.sent_to_ms


def test_the_padding_behind_a_gap_is_no_floor_for_the_rooms_noise():
    made = Lane("0", 0)
    made.begin_connection()
    for n, amplitude in enumerate([300, 8000, 8000, 300, 300, 300, 300, 300]):
        valid = 16 if n == 3 else 1600
        samples = audio(amplitude)
        samples[valid:] = 0
        made.sent(chunk(n, n * 1600, valid), samples)
    assert made.tile((100, 300)) == Tile(0, 5)


def test_only_the_next_chunk_may_be_sent():
    made = lane("..")
    with pytest.raises(ValueError, match="expected 2"):
        made.sent(chunk(3, 4800), audio(QUIET))


def test_a_tile_ends_in_the_middle_of_the_silence_behind_the_last_word():
    made = lane("..####....####..")
    assert made.tile((400, 600)) == Tile(0, 8)


def test_the_search_does_not_reach_behind_the_next_word():
    made = lane("..###..##..........")
    assert made.tile((300, 500)).to_chunk in (5, 6)


def test_the_silence_before_a_short_last_word_is_not_taken():
    made = lane("..##..#.....")
    assert made.tile((600, 700)).to_chunk > 7


def test_an_end_that_is_told_240_ms_late_does_not_swallow_the_next_word():
    made = lane("..####.###....")
    assert made.tile((400, 840)).to_chunk == 6


def test_tiles_lie_side_by_side():
    made = lane("..##....##....##....")
    tiles = [made.tile((300, 400)), made.tile((900, 1000)), made.tile((1500, 1600))]
    assert [tile.from_chunk for tile in tiles] == [0, tiles[0].to_chunk, tiles[1].to_chunk]
    assert all(tile.to_chunk > tile.from_chunk for tile in tiles)


def test_a_tile_never_ends_behind_what_was_sent():
    made = lane("..##")
    assert made.tile((300, 900)).to_chunk <= 4


def test_speech_without_a_pause_is_cut_where_it_is_quietest_near_the_words_end():
    made = Lane("0", 0)
    made.begin_connection()
    for n, amplitude in enumerate([8000, 8000, 8000, 8000, 8000, 3900, 8000, 8000, 8000]):
        made.sent(chunk(n, n * 1600), audio(amplitude))
    assert made.tile((300, 480)).to_chunk == 5


def test_a_room_with_noise_has_silence_too():
    made = Lane("0", 0)
    made.begin_connection()
    for n, letter in enumerate("....####......"):
        made.sent(chunk(n, n * 1600), audio(8000 if letter == "#" else 900))
    assert made.tile((600, 800)) == Tile(0, 11)


def test_a_final_without_words_ends_its_tile_within_the_last_second():
    made = lane("." * 10 + "####" + "." * 10)
    assert made.tile(None).to_chunk in range(12, 24)


def test_a_new_connection_goes_on_where_no_final_covers_and_its_time_starts_at_zero():
    made = lane("..####....####..")
    covered = made.tile((400, 600)).to_chunk
    made.begin_connection()
    assert made.next_index == covered
    assert made.sent_ms == 0
    made.sent(chunk(covered, covered * 1600), audio(QUIET))
    assert made.stream_ms(50) == covered * 100 + 50


def test_coverage_moves_only_by_what_is_stored_and_in_order():
    made = lane("..####....####..")
    first, second = made.tile((400, 600)), made.tile((1200, 1400))
    assert made.covered_to == 0
    with pytest.raises(ValueError, match="0 is the next"):
        made.stored(second)
    made.stored(first)
    made.stored(second)
    assert made.covered_to == second.to_chunk
    assert made.covered_to_ms() == second.to_chunk * 100


def test_an_hour_of_turns_takes_no_more_room_than_minutes_and_maps_as_before():
    made = Lane("0", 0)
    made.begin_connection()
    speech, silence = audio(LOUD), audio(QUIET)
    for n in range(36_000):
        made.sent(chunk(n, n * 1600), silence if n % 20 > 12 else speech)
        if n % 20 == 19:
            made.stored(made.tile((n * 100 - 800, n * 100 - 600)))
    assert len(made._sent) < 2000
    assert made.stream_ms(3_599_000) == 3_599_000
    assert made.tile((3_599_000, 3_599_200)).to_chunk > 35_990


# --- lanes beside each other ---


def beside(levels: str, seam: int) -> tuple[Lane, Lane]:
    """Two lanes of the same audio, up to `seam` and from there on, each with a second of the other."""
    chunks = [(chunk(n, n * 1600), audio(LOUD if letter == "#" else QUIET)) for n, letter in enumerate(levels)]
    behind, ahead = Lane("0", 0, to_chunk=seam), Lane(str(seam), seam, from_chunk=seam)
    for made in (behind, ahead):
        made.begin_connection()
        while made.next_index < len(chunks) and not made.all_sent:
            made.sent(*chunks[made.next_index])
    return behind, ahead


def test_both_lanes_are_sent_a_second_past_their_seam():
    behind, ahead = beside("#" * 100, seam=50)
    assert behind.next_index == 60
    assert behind.all_sent
    assert ahead._begin == 40
    assert ahead.stream_ms(0) == 4000


def test_a_lane_that_is_resumed_behind_its_seam_begins_there():
    made = Lane("50", 70, from_chunk=50)
    made.begin_connection()
    assert made.next_index == 70


@given(st.data())
def test_a_word_near_a_seam_belongs_to_exactly_one_lane(data):
    levels, words = "", []
    for length, pause in data.draw(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 12)), min_size=8, max_size=20)):
        words.append((len(levels) * 100, (len(levels) + length) * 100))
        levels += "#" * length + "." * pause
    seam = data.draw(st.integers(15, len(levels) - 1))
    behind, ahead = beside(levels, seam)
    for start_ms, end_ms in words:
        told = [end_ms <= behind.sent_ms and behind.holds(start_ms, end_ms)]
        offset_ms = ahead._begin * 100
        told += [start_ms >= offset_ms and ahead.holds(start_ms - offset_ms, end_ms - offset_ms)]
        assert sum(told) == 1, (start_ms, end_ms, seam)


def test_an_edge_that_is_told_a_second_early_does_not_move_a_word_into_the_other_lane():
    behind, ahead = beside("." * 45 + "####" + "...." + "####" + "." * 20, seam=51)
    assert not behind.holds(4300, 5700)
    assert ahead.holds(4300 - 4100, 5700 - 4100)
    assert behind.holds(3500, 4900)


def test_a_final_does_not_cover_what_is_the_next_lanes():
    behind, _ = beside("...####...####....####...", seam=12)
    assert behind.tile((1000, 1400)) == Tile(0, 12)
    assert behind.all_promised


# --- marks ---


def test_a_mark_lies_ten_seconds_behind_what_was_processed():
    made = lane("." * 200)
    assert made.mark(14_900) is None, "too little to be worth a write"
    assert made.mark(15_000) == Tile(0, 50)
    assert made.mark(15_100) is None
    assert made.mark(20_000) == Tile(50, 100)
    assert made.promised_to == 100


def test_a_mark_covers_nothing_that_was_not_sent_whatever_the_service_says_it_has():
    made = lane("." * 60)
    assert made.mark(3_600_000) == Tile(0, 60)


def test_a_final_after_a_mark_begins_where_the_mark_ends():
    made = lane("." * 150 + "####" + "." * 30)
    made.mark(15_000)
    assert made.tile((15_000, 15_400)).from_chunk == 50


def test_half_an_hour_of_silence_leaves_some_seconds_to_send_again():
    made = Lane("0", 0)
    made.begin_connection()
    quiet = audio(QUIET)
    for n in range(18_000):
        made.sent(chunk(n, n * 1600), quiet)
        if n % 50 == 49 and (tile := made.mark((n + 1) * 100)):
            made.stored(tile)
    assert 18_000 - made.covered_to <= 150


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=40))
def test_marks_and_finals_lie_side_by_side_whatever_their_order(steps):
    made = Lane("0", 0)
    made.begin_connection()
    for length, is_final in steps:
        for index in range(made.next_index, made.next_index + length):
            made.sent(chunk(index, index * 1600), audio(QUIET))
        tile = made.tile((made.sent_ms - 100, made.sent_ms)) if is_final else made.mark(made.sent_ms)
        if tile is not None:
            made.stored(tile)
        assert made.covered_to == made.promised_to <= made.next_index


def test_three_silent_chunks_are_a_pause():
    assert lane("....####...").in_pause
    assert not lane("....####..").in_pause
    assert not lane("..").in_pause
