from dataclasses import replace

import msgspec
import pytest

from causal.messages import Gap, TranscriptFinal, Word
from causal.testing.fault_judge import judge, unexplained
from causal.testing.live_delay import Span
from causal.testing.oracle_speech import WORD_MS, spell
from causal.testing.utterances import EVERY_MS, STEP_MS, Utterance, words_of

SOURCE = "system"


def said(count: int, source: str = SOURCE, voice: int = 1) -> list[Utterance]:
    return [Utterance(source, n, words_of(n, voice), 1000.0 + n * EVERY_MS) for n in range(count)]


def final(numbers: list[int], start_ms: float, source: str = SOURCE) -> TranscriptFinal:
    starts = [round(start_ms + n * STEP_MS) for n in range(len(numbers))]
    words = tuple(
        Word(text=spell(number), start_ms=start, end_ms=start + WORD_MS, confidence=1.0)
        for number, start in zip(numbers, starts, strict=True)
    )
    return TranscriptFinal(
        session="s",
        source=source,
        turn=f"{start_ms}",
        revision=0,
        text="",
        start_ms=starts[0],
        end_ms=starts[-1] + WORD_MS,
        started_at="",
        words=words,
    )


def heard(utterances: list[Utterance], late_ms: float = 0.0) -> list[TranscriptFinal]:
    return [final(list(one.words), one.start_ms + late_ms, one.source) for one in utterances]


def gap(start_ms: int, length_ms: int, source: str = SOURCE) -> Gap:
    return Gap(session="s", source=source, start_ms=start_ms, length_ms=length_ms, reason="restarted")


def test_all_heard_once_and_in_its_place_is_flawless():
    utterances = said(5)
    verdict = judge(utterances, heard(utterances), [])
    assert verdict.is_flawless
    assert (verdict.spoken, verdict.heard, verdict.excused) == (5, 5, 0)
    assert verdict.worst_error_ms == {SOURCE: 0.0}


def test_the_order_of_the_finals_does_not_matter():
    utterances = said(5)
    assert judge(utterances, heard(utterances)[::-1], []).is_flawless


def test_a_first_word_that_is_said_to_start_early_is_not_one_of_the_utterance_before():
    """Both have a zero there, and the gap left no more of the second."""
    utterances = [replace(one, early_ms=990.0) for one in said(2)]
    cut = final([0], utterances[1].start_ms - 990)
    verdict = judge(utterances, [*heard(utterances[:1]), cut], [gap(round(utterances[1].start_ms) + 300, 60_000)])
    assert verdict.is_flawless
    assert (verdict.heard, verdict.excused) == (1, 1)


def test_a_lost_utterance_is_found_out():
    utterances = said(5)
    verdict = judge(utterances, heard(utterances[:2] + utterances[3:]), [])
    assert verdict.lost == [utterances[2]]
    assert not verdict.is_flawless


def test_an_utterance_without_one_of_its_words_is_lost():
    utterances = said(3)
    finals = [*heard(utterances[:2]), final(list(utterances[2].words[:2]), utterances[2].start_ms)]
    assert judge(utterances, finals, []).lost == [utterances[2]]


def test_an_utterance_in_two_finals_is_whole():
    utterances = said(3)
    one, two, three = utterances[1].words
    start_ms = utterances[1].start_ms
    finals = [*heard([utterances[0], utterances[2]]), final([one], start_ms), final([two, three], start_ms + STEP_MS)]
    assert judge(utterances, finals, []).is_flawless


def test_a_gap_excuses_only_what_it_touches_and_only_in_its_source():
    utterances = said(3) + said(3, "mic", 2)
    finals = heard([utterances[0], *utterances[3:]])
    verdict = judge(utterances, finals, [gap(3300, 500)])
    assert (verdict.excused, verdict.lost) == (1, [utterances[2]])
    assert len(judge(utterances, finals, [gap(3300, 500, "mic")]).lost) == 2


@pytest.mark.parametrize("late_ms", [0, 300, 60_000])
def test_a_repeated_utterance_is_found_out_wherever_it_is(late_ms):
    utterances = said(5)
    finals = heard(utterances) + heard(utterances[1:2], late_ms)
    verdict = judge(utterances, finals, [])
    assert verdict.repeated == [utterances[1]] or verdict.strays
    assert not verdict.is_flawless


def test_a_repeated_word_is_found_out():
    utterances = said(3)
    again = final([utterances[1].words[2]], utterances[1].word_ms(2))
    assert judge(utterances, [*heard(utterances), again], []).repeated == [utterances[1]]


@pytest.mark.parametrize("late_ms", [25, -35, 4000, -4000])
def test_a_misplaced_utterance_is_found_out_by_how_much_it_is_off(late_ms):
    utterances = said(3)
    verdict = judge(utterances, heard(utterances[:1]) + heard(utterances[1:2], late_ms) + heard(utterances[2:]), [])
    (misplaced,) = verdict.misplaced
    assert (misplaced.utterance, misplaced.error_ms) == (utterances[1], pytest.approx(late_ms, abs=1))
    assert verdict.worst_error_ms[SOURCE] == pytest.approx(late_ms if late_ms > 0 else -late_ms - 10, abs=1)


def test_where_edges_are_wrong_the_middle_word_tells_the_time():
    utterances = said(3)
    finals = heard(utterances)
    first = msgspec.structs.replace(finals[1].words[0], start_ms=finals[1].words[0].start_ms - 990)
    finals[1] = msgspec.structs.replace(finals[1], start_ms=first.start_ms, words=(first, *finals[1].words[1:]))
    (misplaced,) = judge(utterances, finals, []).misplaced
    assert (misplaced.utterance, misplaced.error_ms) == (utterances[1], -990)
    assert judge(utterances, finals, [], timed_words=(1,)).is_flawless


@pytest.mark.parametrize("late_ms", [20, -30])
def test_what_the_decoder_and_the_promise_allow_is_not_misplaced(late_ms):
    utterances = said(3)
    assert judge(utterances, heard(utterances, late_ms), []).is_flawless
    assert judge(utterances, heard(utterances, 1.5 * late_ms), [], {SOURCE: 20.0}).is_flawless


def test_a_word_that_nobody_said_is_a_stray_but_for_one_that_a_gap_has_cut():
    utterances = said(3)
    number = next(n for n in range(100) if all(n not in one.words for one in utterances))
    finals = [*heard(utterances), final([number], 4500)]
    assert judge(utterances, finals, []).strays == [(SOURCE, number, 4500)]
    assert judge(utterances, finals, [gap(4600, 100)]).is_flawless


def test_what_nobody_can_be_sure_of_is_not_judged():
    utterances = said(3)
    unsure = Utterance(SOURCE, 3, words_of(3, 1), 1000.0 + 3 * EVERY_MS, sure=False)
    verdict = judge([*utterances, unsure], heard(utterances), [])
    assert verdict.is_flawless
    assert (verdict.spoken, verdict.unsure) == (3, 1)


def test_an_utterance_of_a_loudspeaker_that_stumbled_may_be_late_or_cut_but_not_lost_or_repeated():
    utterances = [*said(3), Utterance(SOURCE, 3, words_of(3, 1), 1000.0 + 3 * EVERY_MS, timed=False)]
    finals, (last,) = heard(utterances[:3]), utterances[3:]
    assert judge(utterances, finals + heard([last], 60), []).is_flawless
    cut = final([last.words[0], last.words[0], last.words[1], last.words[2]], last.start_ms)
    assert judge(utterances, [*finals, cut], []).is_flawless
    assert judge(utterances, finals, []).lost == [last]
    assert judge(utterances, finals + heard([last]) + heard([last], 60), []).repeated == [last]


def test_what_comes_after_the_machine_s_sleep_of_an_utterance_amid_which_it_slept_is_no_stray():
    slept_ms = 3_600_000.0
    cut = Utterance(SOURCE, 3, words_of(3, 1), 1000.0 + 3 * EVERY_MS, sure=False, timed=False, late_ms=slept_ms)
    finals = [*heard(said(3)), final([cut.words[0]], cut.start_ms), final([cut.words[2]], cut.word_ms(2) + slept_ms)]
    assert judge([*said(3), cut], finals, []).is_flawless
    later = final([cut.words[1]], cut.word_ms(1) + slept_ms + EVERY_MS)
    assert judge([*said(3), cut], [*finals, later], []).strays


def test_two_words_of_an_utterance_that_was_cut_and_the_first_of_a_later_one_are_not_taken_for_one():
    cut, later = (Utterance(SOURCE, n, words_of(n, 2), 1000.0 + (n - 1297) * EVERY_MS) for n in (1297, 1299))
    assert cut.words == (12, 97, later.words[0])
    finals = [final(list(cut.words[:2]), cut.start_ms), *heard([later])]
    verdict = judge([cut, later], finals, [gap(1700, 2500)])
    assert verdict.is_flawless
    assert (verdict.heard, verdict.excused) == (1, 1)


def test_a_gap_needs_a_fault_that_may_cost_one_shortly_before_it():
    faults = [Span("kill capture", 50_000, 50_100, costs_a_gap=True), Span("kill stt", 90_000, 90_000)]
    soon, late = gap(50_200, 900), gap(91_000, 900)
    assert unexplained([soon, late], faults) == [late]


def test_what_is_wrong_while_the_machine_stood_still_is_told_apart():
    utterances = said(10)
    number = next(n for n in range(100) if all(n not in one.words for one in utterances))
    finals = heard(utterances[1:4]) + heard(utterances[4:5], 100) + heard(utterances[6:]) + [final([number], 14_000)]
    verdict = judge(utterances, finals, [])
    outside, inside = verdict.parted([Span("the host took 90 %", 12_500, 16_000)])
    assert (outside.lost, inside.lost) == ([utterances[0]], [utterances[5]])
    assert (outside.misplaced, [one.utterance for one in inside.misplaced]) == ([], [utterances[4]])
    assert (outside.strays, inside.strays) == ([], [(SOURCE, number, 14_000)])
    assert outside.worst_error_ms == {SOURCE: 0.0} and inside.worst_error_ms[SOURCE] > 90
    assert verdict.parted([])[0] == verdict


def test_no_two_utterances_of_a_voice_have_the_same_words():
    for voice in (1, 2, 3):
        assert len({words_of(n, voice) for n in range(10_000)}) == 10_000
