"""What the control desk lets be heard, and by whom."""

from __future__ import annotations

import pytest

from causal.control.desk import KNOWN_WITHIN_S, MAX_HELD
from causal.control.engine_choice import Key
from causal.errors import CausalError
from causal.messages import QueueDepth
from causal.messages.control import (
    Fault,
    List,
    Sessions,
    Start,
    Status,
    Token,
    Wish,
)
from causal.testing.desk_run import MIC, MONITOR, TICK_S, DeskRun, ready

# --- what can be heard ---


def test_without_a_wish_mic_and_system_are_heard():
    stack = ready()
    stack.start()
    assert [work.device for work in stack.poll("capture").streams] == ["mic", "system"]


def test_an_unknown_device_names_the_nearest():
    stack = ready()
    answer = stack.ask(Start(sources=("pulse:alsa_input.usbb",)))
    assert answer["error"]["code"] == "device-not-found"
    assert MIC.id in answer["error"]["hint"]
    assert stack.published == []


def test_without_a_sound_server_a_start_is_told_so_and_not_to_plug_in_a_microphone():
    stack = ready()
    fault = Fault(code="device-unavailable", message="no sound server answers", hint="Start PulseAudio.")
    stack.poll("capture", devices=(), fault=fault)
    assert stack.ask(Start(sources=("mic",)))["error"] == {
        "code": "device-unavailable",
        "message": "there is no device for 'mic': no sound server answers",
        "hint": "Start PulseAudio.",
    }
    assert stack.ask(Start(sources=("file:/a.wav",)))["ok"]


def test_a_missing_file_is_not_blamed_on_the_sound_server():
    stack = DeskRun(file_exists=lambda path: False)
    stack.poll("capture", devices=(), fault=Fault(code="device-unavailable", message="no sound server answers"))
    assert stack.ask(Start(sources=("file:/a.wav",)))["error"]["message"] == "there is no file /a.wav"


def test_a_start_before_capture_has_spoken_is_answered_when_it_has():
    stack = DeskRun()
    assert stack.ask(Start(sources=("mic",)), "start") is None
    assert stack.ask(List(), "list") is None
    stack.pass_time(1.0)
    stack.poll("capture")
    stack.pass_time(TICK_S)
    assert stack.answers["start"]["ok"]
    assert [device["id"] for device in stack.answers["list"]["devices"]] == [MIC.id, MONITOR.id]


def test_a_start_that_turns_out_wrong_is_refused_when_capture_has_spoken():
    stack = DeskRun()
    stack.ask(Start(sources=("nothing",)), "start")
    stack.poll("capture")
    stack.pass_time(TICK_S)
    assert stack.answers["start"]["error"]["code"] == "device-not-found"


def test_without_capture_list_and_start_are_refused_after_a_while():
    stack = DeskRun()
    stack.ask(List(), "list")
    stack.ask(Start(), "start")
    stack.pass_time(KNOWN_WITHIN_S + TICK_S)
    for name in ("list", "start"):
        assert stack.answers[name]["error"]["code"] == "device-unavailable"
        assert "causal-capture does not answer" in stack.answers[name]["error"]["message"]


def test_a_file_needs_no_list_of_devices():
    assert DeskRun().start("file:/a.wav")


def test_only_capture_says_what_can_be_heard():
    stack = DeskRun()
    stack.poll("stt", devices=(MIC,))
    assert stack.ask(List()) is None


def test_devices_that_come_and_go_are_listed_as_they_are():
    stack = ready()
    stack.poll("capture", devices=(MIC,))
    assert [device["id"] for device in stack.ask(List())["devices"]] == [MIC.id]
    stack.poll("capture", devices=())
    assert stack.ask(List())["devices"] == []
    assert stack.ask(Start())["error"]["code"] == "device-not-found"


def test_not_more_than_so_many_requests_wait():
    stack = DeskRun()
    for number in range(MAX_HELD + 5):
        stack.ask(List(), f"list-{number}")
    assert len(stack.answers) == 5
    assert stack.answers[f"list-{MAX_HELD}"]["error"]["code"] == "busy"
    assert stack.desk.queue() == QueueDepth(depth=MAX_HELD, capacity=MAX_HELD, dropped=5)
    stack.poll("capture")
    stack.pass_time(TICK_S)
    assert stack.ask(List())["ok"]


# --- who hears the room ---


@pytest.mark.parametrize(
    ("setting", "wish", "key", "engine"),
    [
        ("auto", None, None, "local"),
        ("auto", None, "k", "assemblyai"),
        ("auto", "local", "k", "local"),
        ("local", None, "k", "local"),
        ("local", "assemblyai", "k", "assemblyai"),
        ("assemblyai", "ws://localhost:8080", None, "ws://localhost:8080"),
        ("wss://stt.example", None, None, "wss://stt.example"),
    ],
)
def test_the_engine_is_what_was_wished_set_or_possible(setting, wish, key, engine):
    stack = ready(engine=setting, key=key)
    answer = stack.ask(Start(sources=("mic",), engine=wish))
    assert answer["engine"] == engine
    assert stack.poll("stt").streams[0].engine == engine


def test_assemblyai_without_a_key_is_refused_with_two_ways_out():
    answer = ready().ask(Start(sources=("mic",), engine="assemblyai"))
    assert answer["error"]["code"] == "auth-failed"
    assert "ASSEMBLYAI_API_KEY" in answer["error"]["hint"]
    assert "--engine local" in answer["error"]["hint"]


def test_a_start_that_depends_on_the_key_waits_until_that_is_known_and_nothing_else_does():
    stack = ready()
    stack.key = Key(coming=True)
    assert stack.ask(Start(sources=("file:/a.wav",)), "auto") is None
    assert stack.ask(Start(sources=("mic",), engine="assemblyai"), "assemblyai") is None
    assert stack.ask(Start(sources=("mic",), engine="local"))["ok"]
    assert stack.ask(Status())["ok"] and stack.ask(List())["ok"]
    assert stack.desk.is_waiting
    stack.key = Key("k")
    stack.pass_time(TICK_S)
    assert [stack.answers[name]["engine"] for name in ("auto", "assemblyai")] == ["assemblyai"] * 2
    assert stack.poll("stt").key == "k"


def test_without_capture_a_start_is_not_made_before_its_devices_are_known_whoever_is_to_hear_it():
    stack = DeskRun()
    stack.key = Key(coming=True)
    assert stack.ask(Start(sources=("mic",), engine="local")) is None


def test_a_keyring_that_does_not_answer_keeps_nobody_from_starting_and_is_named():
    stack = ready()
    stack.key = Key(problem=CausalError("permission-denied", "the keyring does not answer", "Unlock it"))
    assert stack.ask(Start(sources=("mic",)))["engine"] == "local"
    error = stack.ask(Start(sources=("mic",), engine="assemblyai"))["error"]
    assert (error["code"], "the keyring does not answer" in error["message"]) == ("auth-failed", True)
    assert error["hint"] == "Unlock it; or use --engine local"
    stack.key = Key("k")
    assert stack.ask(Start(sources=("mic",)))["engine"] == "assemblyai", "it was unlocked since"


def test_an_unknown_engine_names_the_known():
    answer = ready().ask(Start(sources=("mic",), engine="whisper"))
    assert (answer["error"]["code"], "assemblyai, local" in answer["error"]["hint"]) == ("bad-config", True)


def test_only_gateways_get_the_key():
    stack = ready(key="secret")
    stack.start("mic")
    assert stack.poll("stt").key == "secret"
    for service in ("capture", "resample", "engine", "sink", "broker"):
        assert stack.poll(service).key is None
    told = [stack.ask(request) for request in (Status(), Sessions(), List())]
    assert "secret" not in repr((told, stack.published, stack.emitted, stack.saved))


def test_all_gateways_share_the_sessions_of_a_minute():
    stack = ready(key="k", new_sessions_per_minute=2)
    wishes = tuple(Wish(id=name, live=True) for name in "abc")
    assert stack.poll("stt", wishes=wishes[:1]).granted == ("a",)
    assert stack.poll("stt", instance="2", wishes=wishes[1:]).granted == ("b",)
    stack.now_s += 62.0
    assert stack.poll("stt", instance="2", wishes=wishes[2:]).granted == ("c",)


def test_a_controller_that_was_killed_has_not_forgotten_the_sessions_of_the_last_minute():
    stack = ready(key="k", new_sessions_per_minute=2)
    wishes = tuple(Wish(id=name, live=True) for name in "abc")
    stack.poll("stt", wishes=wishes[:2])
    stack.kill_controller()
    assert stack.poll("stt", wishes=wishes[1:]).granted == ("b",), "what was granted before is granted again"
    stack.now_s += 62.0
    assert stack.poll("stt", wishes=wishes[2:]).granted == ("c",)


def test_a_token_is_for_those_who_have_a_key():
    assert ready().ask(Token())["error"]["code"] == "auth-failed"
    stack = ready(key="k")
    assert stack.ask(Token(expires_in_s=600), "token") is None
    assert [(mint.ticket.id, mint.expires_in_s) for mint in stack.minted] == [("token", 600)]


@pytest.mark.parametrize("expires_in_s", [0, -1, 601])
def test_a_token_for_no_time_or_too_long_is_refused(expires_in_s):
    assert ready(key="k").ask(Token(expires_in_s=expires_in_s))["error"]["code"] == "bad-request"
