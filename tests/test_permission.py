import sys

import pytest

from causal import permission
from causal.errors import SourceError
from causal.testing.fake_mac import AUTHORIZED, DENIED, RESTRICTED, UNDECIDED, FakeMac


def refusal(require):
    with pytest.raises(SourceError) as caught:
        require()
    assert caught.value.code == "permission-denied"
    assert caught.value.retryable
    return str(caught.value)


def test_elsewhere_everything_may_be_heard(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    assert (permission.microphone(), permission.screen()) == ("granted", "granted")
    permission.require_microphone()
    permission.require_screen()


@pytest.mark.parametrize(
    ("status", "answer"),
    [(UNDECIDED, "undecided"), (RESTRICTED, "restricted"), (DENIED, "denied"), (AUTHORIZED, "granted"), (9, "unknown")],
)
def test_the_microphones_status_has_a_word(status, answer):
    with FakeMac() as mac:
        mac.microphone = status
        assert permission.microphone() == answer


def test_a_granted_microphone_is_opened_without_a_question():
    with FakeMac() as mac:
        permission.require_microphone()
        assert mac.questions == []


def test_a_denied_microphone_names_the_pane():
    with FakeMac() as mac:
        mac.microphone = DENIED
        assert "System Settings > Privacy & Security > Microphone" in refusal(permission.require_microphone)
        assert mac.questions == []


def test_a_profile_that_forbids_is_no_affair_of_the_person_at_the_mac():
    with FakeMac() as mac:
        mac.microphone = RESTRICTED
        assert "administers" in refusal(permission.require_microphone)


def test_who_was_never_asked_is_asked_once_and_the_answer_counts():
    with FakeMac() as mac:
        mac.microphone = UNDECIDED
        assert "asks at this moment" in refusal(permission.require_microphone)
        assert "asks at this moment" in refusal(permission.require_microphone)
        assert mac.questions == ["microphone"]
        mac.answer(True)
        permission.require_microphone()


def test_a_no_is_a_no():
    with FakeMac() as mac:
        mac.microphone = UNDECIDED
        refusal(permission.require_microphone)
        mac.answer(False)
        assert "does not let us" in refusal(permission.require_microphone)


def test_where_the_package_is_missing_nobody_is_kept_from_trying():
    with FakeMac(missing=["AVFoundation", "Quartz"]):
        assert (permission.microphone(), permission.screen()) == ("unknown", "unknown")
        permission.require_microphone()
        permission.require_screen()


def test_a_screen_that_may_not_be_recorded_is_asked_for_once():
    with FakeMac() as mac:
        mac.screen_allowed = False
        assert permission.screen() == "denied"
        assert "Screen & System Audio Recording" in refusal(permission.require_screen)
        refusal(permission.require_screen)
        assert mac.questions == ["screen"]
        mac.screen_allowed = True
        permission.require_screen()
