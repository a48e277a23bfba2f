import pytest

from causal.stt.failures import classify, from_engine, lost

SEE_ERROR = "See Error message for details"


@pytest.mark.parametrize(
    ("text", "code", "expected", "retryable"),
    [
        ("Unauthorized Connection: Invalid API key", 1008, "auth-failed", False),
        ("Missing Authorization header", 1008, "auth-failed", False),
        ("Signature has expired", 1008, "auth-failed", False),
        ("Incorrect padding", 1008, "auth-failed", True),
        ("Too many concurrent sessions", 1008, "quota-exceeded", True),
        ("Too many concurrent sessions", 3009, "quota-exceeded", True),
        ("Insufficient funds", 1008, "quota-exceeded", False),
        (SEE_ERROR, 1008, "auth-failed", False),
        (SEE_ERROR, 3009, "quota-exceeded", True),
        ("Invalid Message Type: Hello", 3006, "rejected-by-service", False),
        ("User Input Validation Error: Invalid JSON: {", 3006, "rejected-by-service", False),
        ("sample_rate must be at least 8,000 Hz", 3006, "rejected-by-service", False),
        ("Max 100 items", 3006, "rejected-by-service", False),
        ("Session terminated due to inactivity: no messages for 30 s", 3006, "connection-failed", True),
        (
            "Input Duration Error: Input Duration Violation: 20.0 ms. Expected between 50 and 1000 ms",
            3007,
            "rejected-by-service",
            False,
        ),
        (
            "Audio Transmission Rate Exceeded: Received 314.9 sec. audio in 1.31 sec",
            3007,
            "rejected-by-service",
            False,
        ),
        (SEE_ERROR, 3007, "rejected-by-service", False),
        ("Session Expired: maximum session duration exceeded", 3008, "connection-failed", True),
        (SEE_ERROR, 3008, "connection-failed", True),
        ("", 1000, "connection-failed", True),
        ("Session Ended", 1000, "connection-failed", True),
        ("", 1001, "connection-failed", True),
        ("", 1006, "connection-failed", True),
        ("", 1011, "connection-failed", True),
        ("Internal server error", 1011, "connection-failed", True),
        ("Server error", 3005, "connection-failed", True),
        (SEE_ERROR, 3005, "connection-failed", True),
        (
            "Invalid state: could not validate the token with the authentication service",
            3005,
            "connection-failed",
            True,
        ),
        ("Invalid response of a worker", 1011, "connection-failed", True),
        ("Session ended: token cap reached", 3008, "connection-failed", True),
        ("Maximum sessions reached", 3009, "quota-exceeded", True),
        ("Maximum sessions reached", 1008, "quota-exceeded", True),
        ("Deprecated endpoint", 410, "rejected-by-service", False),
        ("Model deprecated. See docs for new model information", 4106, "rejected-by-service", False),
        ("", 401, "auth-failed", False),
        ("", 403, "auth-failed", False),
        ("", 404, "connection-failed", True),
        ("", 429, "quota-exceeded", True),
        ("", 503, "connection-failed", True),
        ("", 4001, "auth-failed", False),
        ("something new", 4999, "connection-failed", True),
        ("something new", None, "connection-failed", True),
        ("The model is missing: run causal-engine prepare", 1011, "engine-failed", True),
    ],
)
def test_the_text_says_what_happened_and_the_code_only_where_the_text_is_silent(text, code, expected, retryable):
    failure = classify(text, code)
    assert (failure.code, failure.retryable) == (expected, retryable)
    assert failure.hint
    assert not text or text in failure.message


def test_limits_of_the_account_are_waited_for_long():
    assert classify("Too many concurrent sessions", 1008).wait_s >= 30
    assert classify("", 3009).wait_s >= 30


def test_the_end_of_a_session_by_time_is_no_failure():
    assert classify("", 3008).at_once
    assert classify("Session ended: token cap reached", 3008).at_once
    assert not classify("", 3005).at_once
    assert not classify("Maximum sessions reached", 3009).at_once


def test_after_an_end_by_inactivity_the_next_connection_waits_for_audio():
    assert classify("Session terminated due to inactivity: 30 s", 3006).on_speech


def test_odd_refusals_of_a_good_key_are_tried_again_but_not_for_ever():
    assert classify("Incorrect padding", 1008).max_tries == 2


def test_a_long_text_is_cut():
    assert len(classify("x" * 5000, 3006).message) <= 500
    assert len(lost("x" * 5000).message) <= 500


def test_the_local_engine_has_no_network_and_no_account():
    assert from_engine(lost("connection refused")).code == "engine-failed"
    assert from_engine(classify("Too many concurrent sessions", 1008)).wait_s <= 2
    assert from_engine(classify("Invalid JSON", 3006)).code == "rejected-by-service"
    assert "causal-engine prepare" in from_engine(lost("refused")).hint
