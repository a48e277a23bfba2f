import pytest

from causal.testing.live_delay import Arrival, Delay, Span, first_sights
from causal.testing.live_delay import delays as delays_of
from causal.testing.oracle_speech import WORD_MS
from causal.testing.utterances import EVERY_MS, Utterance, words_of

VOICES = {"mic": 2, "system": 1}


def said(source: str, count: int) -> list[Utterance]:
    return [Utterance(source, n, words_of(n, VOICES[source]), n * float(EVERY_MS)) for n in range(count)]


def shown(utterances: list[Utterance], delay_ms: float) -> list[Arrival]:
    return [
        Arrival(one.source, number, round(one.word_ms(which)), one.word_ms(which) + WORD_MS + delay_ms)
        for one in utterances
        for which, number in enumerate(one.words)
    ]


def delays(utterances: list[Utterance], arrivals: list[Arrival], faults: list[Span]) -> list[Delay]:
    return delays_of(first_sights(utterances, arrivals), faults)


def test_the_worst_delay_is_that_of_words_said_between_two_faults():
    speech = said("mic", 30)
    arrivals = shown(speech[:10], 300) + shown(speech[10:20], 5000) + shown(speech[20:], 400)
    faults = [Span("one", 1000, 1000), Span("two", 10 * EVERY_MS, 10 * EVERY_MS), Span("three", 50_000, 51_000)]
    assert [delay.worst_ms for delay in delays(speech, arrivals, faults)] == pytest.approx([300, 5000, 400])


def test_live_again_is_the_first_word_said_after_the_fault_that_comes_soon():
    speech = said("mic", 10)
    arrivals = shown(speech[:4], 300) + shown(speech[4:6], 4000) + shown(speech[6:], 300)
    begin_ms = 4.0 * EVERY_MS
    (delay,) = delays(speech, arrivals, [Span("abort", begin_ms, begin_ms)])
    assert delay.live_again_ms == pytest.approx(2 * EVERY_MS + WORD_MS + 300)


def test_live_again_waits_for_every_source():
    speech = said("mic", 10) + said("system", 10)
    arrivals = shown(said("mic", 10), 300) + shown(said("system", 10), 4000)
    assert delays(speech, arrivals, [Span("abort", 1000, 1000)])[0].live_again_ms is None


def test_the_first_of_several_sights_counts():
    speech = said("mic", 10)
    arrivals = shown(speech, 900) + shown(speech, 200)
    assert delays(speech, arrivals, [Span("abort", 0, 0)])[0].worst_ms == pytest.approx(200)


def test_without_faults_there_is_nothing_to_tell():
    assert delays(said("mic", 3), [], []) == []


def test_what_happens_in_an_outage_is_told_apart_and_the_outage_is_judged_by_what_follows_it():
    speech = said("mic", 30)
    arrivals = shown(speech[:5], 300) + shown(speech[5:15], 30_000) + shown(speech[15:], 300)
    outage = Span("outage", 5.0 * EVERY_MS, 15.0 * EVERY_MS)
    kill = Span("kill stt", 8.0 * EVERY_MS, 8.0 * EVERY_MS)
    found = {delay.label: delay for delay in delays(speech, arrivals, [outage, kill])}
    assert found["kill stt"].in_another and not found["outage"].in_another
    assert found["outage"].live_again_ms == pytest.approx(WORD_MS + 300)


def test_a_service_that_wants_to_be_left_alone_is_judged_from_when_it_may_be_asked():
    speech = said("mic", 10)
    arrivals = shown(speech[:4], 300) + shown(speech[4:6], 4000) + shown(speech[6:], 300)
    fault = Span("close 1013", 4.0 * EVERY_MS, 4.0 * EVERY_MS, hold_ms=2.0 * EVERY_MS)
    assert delays(speech, arrivals, [fault])[0].live_again_ms == pytest.approx(WORD_MS + 300)


def held_then_away(kind: Span) -> float | None:
    """How soon it was live after a service that refuses from 11 to 13.2 s and wants to be left alone until 33 s, with
    `kind` in that time; words are live until 11 s and from 44 s on."""
    speech = said("mic", 30)
    arrivals = shown(speech[:5], 300) + shown(speech[5:20], 30_000) + shown(speech[20:], 300)
    refused = Span("refuse 429", 11_000, 13_200, hold_ms=19_800)
    return delays(speech, arrivals, [refused, kind])[0].live_again_ms


def test_an_outage_that_begins_while_the_service_is_left_alone_puts_off_what_is_owed():
    away = Span("outage", 22_000, 44_000)
    assert held_then_away(away) == pytest.approx(WORD_MS + 300)


def test_what_the_service_wants_after_a_second_refusal_counts_too():
    closed = Span("close 1013", 30_000, 30_000, hold_ms=14_000)
    assert held_then_away(closed) == pytest.approx(WORD_MS + 300)


def test_a_fault_that_is_over_before_the_service_may_be_asked_excuses_nothing():
    assert held_then_away(Span("abort", 22_000, 22_000)) == pytest.approx(11_000 + WORD_MS + 300)


def test_a_device_that_is_away_when_the_service_may_be_asked_again_puts_off_what_is_owed():
    assert held_then_away(Span("suspend microphone", 32_000, 44_000)) == pytest.approx(WORD_MS + 300)


def test_a_fault_after_the_service_may_be_asked_excuses_nothing():
    assert held_then_away(Span("outage", 33_000, 44_000)) is None


def test_faults_that_follow_on_one_another_put_it_off_to_the_last_one_s_end():
    speech = said("mic", 30)
    arrivals = shown(speech[:5], 300) + shown(speech[5:20], 30_000) + shown(speech[20:], 300)
    faults = [
        Span("close 1013", 11_000, 11_000, hold_ms=11_000),
        Span("refuse 429", 20_000, 21_000, hold_ms=12_000),
        Span("outage", 32_000, 44_000),
    ]
    assert delays(speech, arrivals, faults)[0].live_again_ms == pytest.approx(WORD_MS + 300)


def test_a_fault_near_a_time_in_which_the_machine_stood_still_is_told_apart():
    speech = said("mic", 30)
    sights = first_sights(speech, shown(speech, 300))
    faults = [Span(label, at_ms, at_ms) for label, at_ms in (("one", 1000.0), ("two", 12_000.0), ("three", 30_000.0))]
    spells = [Span("the host took 90 %", 20_000, 21_000)]
    assert [one.in_spell for one in delays_of(sights, faults, spells)] == [False, True, False]
    assert not any(one.in_spell for one in delays_of(sights, faults))
