import pytest

from causal.clock import NS_PER_S
from causal.testing.stolen_time import Look, Spell, StolenTime, excuse, look, spells


def looks(*taken: float) -> list[Look]:
    """One a second on two processors; of each second so much is taken, as a share."""
    found = [Look(0, 100.0, 5.0)]
    for share in taken:
        last = found[-1]
        found.append(Look(last.at_ns + NS_PER_S, last.all_s + 2.0, last.taken_s + 2.0 * share))
    return found


def test_a_guest_that_has_its_processors_has_no_spells():
    assert list(spells(looks(0.0, 0.01, 0.1, 0.0))) == []
    assert list(spells(looks())) == list(spells([])) == []


def test_seconds_in_a_row_of_which_much_was_taken_are_one_spell():
    (spell,) = spells(looks(0.0, 0.5, 0.9, 0.4, 0.0))
    assert spell == Spell(NS_PER_S, 4 * NS_PER_S, pytest.approx(0.9))


def test_spells_apart_are_told_apart_and_the_last_one_need_not_be_over():
    found = list(spells(looks(0.5, 0.0, 0.6)))
    assert [(spell.begin_ns, spell.end_ns) for spell in found] == [(0, NS_PER_S), (2 * NS_PER_S, 3 * NS_PER_S)]


def test_a_failure_is_excused_by_a_second_of_spells_and_by_no_less():
    assert excuse([]) == ""
    assert excuse([Spell(0, NS_PER_S // 2, 0.9)]) == ""
    assert excuse([Spell(0, NS_PER_S // 2, 0.5), Spell(NS_PER_S, 2 * NS_PER_S, 0.93)]) == (
        "the host of this machine took up to 93% of it in 1.5 s meanwhile"
    )


def test_what_a_system_counts_only_grows():
    with StolenTime() as stolen:
        before, after = look(), look()
    assert after.at_ns > before.at_ns
    assert after.all_s >= before.all_s > 0
    assert after.taken_s >= before.taken_s >= 0
    assert all(spell.end_ns > before.at_ns for spell in stolen.spells(before.at_ns))
