from causal.stt.codec import HeardWord, Turn
from causal.stt.turns import Final, Partial, TurnAssembler, Void


def words(text: str) -> tuple[HeardWord, ...]:
    return tuple(HeardWord(word, 100 * n, 100 * n + 80, 1.0) for n, word in enumerate(text.split()))


def turn(order: int, text: str, *, ended: bool = False, formatted: bool = False) -> Turn:
    return Turn(order, ended, formatted, text, words(text))


def texts(facts: list[Partial | Final | Void]) -> list[tuple[str, int, str]]:
    return [(type(fact).__name__, fact.order, fact.text if isinstance(fact, Partial) else "") for fact in facts]


def formatting() -> TurnAssembler:
    return TurnAssembler(formatting_requested=True, hold_s=1.2)


def plain() -> TurnAssembler:
    return TurnAssembler(formatting_requested=False, hold_s=1.2)


def test_a_partial_replaces_the_one_before_and_the_final_ends_the_turn():
    turns = plain()
    assert texts(turns.turn(turn(0, "hello"), 0.0)) == [("Partial", 0, "hello")]
    assert texts(turns.turn(turn(0, "hello there"), 0.1)) == [("Partial", 0, "hello there")]
    assert texts(turns.turn(turn(0, "Hello there.", ended=True, formatted=True), 0.2)) == [("Final", 0, "Hello there.")]
    assert not turns.has_open_turn


def test_revisions_count_up_to_the_final():
    turns = plain()
    facts = [fact for text in ("a", "a b", "a b c") for fact in turns.turn(turn(0, text), 0.0)]
    facts += turns.turn(turn(0, "A b c.", ended=True), 0.0)
    assert [fact.revision for fact in facts] == [0, 1, 2, 3]


def test_a_message_without_news_is_not_passed_on():
    turns = plain()
    turns.turn(turn(0, "hello"), 0.0)
    assert turns.turn(turn(0, "hello"), 0.1) == []


def test_a_turn_that_ends_twice_is_final_once_and_formatted():
    turns = formatting()
    turns.turn(turn(0, "hello there"), 0.0)
    assert texts(turns.turn(turn(0, "hello there", ended=True), 1.0)) == []
    assert turns.deadline_s == 2.2
    assert texts(turns.turn(turn(0, "Hello there.", ended=True, formatted=True), 1.3)) == [("Final", 0, "Hello there.")]
    assert turns.deadline_s is None


def test_a_formatted_final_that_does_not_come_is_not_waited_for():
    turns = formatting()
    turns.turn(turn(0, "hello", ended=True), 1.0)
    assert turns.wake(2.1) == []
    assert texts(turns.wake(2.2)) == [("Final", 0, "hello")]


def test_a_formatted_final_that_comes_too_late_is_dropped_and_counted():
    turns = formatting()
    turns.turn(turn(0, "hello", ended=True), 1.0)
    turns.wake(2.5)
    assert turns.turn(turn(0, "Hello.", ended=True, formatted=True), 2.6) == []
    assert turns.dropped == 1


def test_the_next_turn_ends_the_wait():
    turns = formatting()
    turns.turn(turn(0, "hello", ended=True), 1.0)
    assert texts(turns.turn(turn(1, "and"), 1.1)) == [("Final", 0, "hello"), ("Partial", 1, "and")]


def test_a_model_that_ends_each_turn_once_and_formatted_is_not_held():
    assert texts(formatting().turn(turn(0, "Hello.", ended=True, formatted=True), 0.0)) == [("Final", 0, "Hello.")]


def test_a_plain_end_is_final_where_no_formatting_was_asked_for():
    assert texts(plain().turn(turn(0, "hello", ended=True), 0.0)) == [("Final", 0, "hello")]


def test_a_turn_overtaken_without_an_end_keeps_its_last_text_before_the_later_final():
    turns = plain()
    turns.turn(turn(0, "lost end"), 0.0)
    turns.turn(turn(1, "next"), 0.1)
    assert texts(turns.turn(turn(1, "Next.", ended=True), 0.2)) == [("Final", 0, "lost end"), ("Final", 1, "Next.")]


def test_an_empty_final_is_nothing_and_takes_back_what_was_shown():
    turns = plain()
    assert turns.turn(turn(0, "", ended=True), 0.0) == []
    turns.turn(turn(1, "uh"), 0.1)
    assert turns.turn(turn(1, "", ended=True), 0.2) == [Void(1)]


def test_a_lost_connection_takes_back_what_is_open_and_keeps_what_has_ended():
    turns = formatting()
    turns.turn(turn(0, "done", ended=True), 0.0)
    turns.turn(turn(0, "done", ended=True), 0.0)
    assert texts(turns.finish(complete=False)) == [("Final", 0, "done")]
    turns.turn(turn(1, "half a"), 0.5)
    assert turns.finish(complete=False) == [Void(1)]
    assert turns.finish(complete=False) == []


def test_the_end_of_the_session_makes_all_that_is_open_final():
    turns = formatting()
    turns.turn(turn(0, "held", ended=True), 0.0)
    assert texts(turns.turn(turn(1, "open"), 0.1))[0] == ("Final", 0, "held")
    assert texts(turns.finish(complete=True)) == [("Final", 1, "open")]


def test_an_older_version_after_the_end_does_not_reopen_the_turn():
    turns = formatting()
    turns.turn(turn(0, "hello there", ended=True), 0.0)
    assert turns.turn(turn(0, "hello"), 0.1) == []
    assert texts(turns.wake(2.0)) == [("Final", 0, "hello there")]
    assert turns.dropped == 1


def test_finals_come_in_the_order_of_the_turns_when_the_service_mixes_them_up():
    turns = formatting()
    facts: list[Partial | Final | Void] = []
    for order, ended, formatted in (
        (0, False, False),
        (2, True, False),
        (1, True, True),
        (2, True, True),
        (3, True, True),
    ):
        facts += turns.turn(turn(order, f"t{order}", ended=ended, formatted=formatted), 0.0)
    orders = [fact.order for fact in facts if isinstance(fact, Final)]
    assert orders == [0, 1, 2, 3]
