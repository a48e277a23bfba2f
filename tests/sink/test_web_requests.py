"""What a page may send."""

from __future__ import annotations

import json

import pytest

from causal.sink.web_requests import Search, Show, Start, parse


def test_a_request_is_read() -> None:
    assert parse('{"op":"search","id":1,"text":"tea"}') == Search(id=1, text="tea")
    assert parse('{"op":"show","id":2,"session":"s"}') == Show(id=2, session="s", after=0, log="")
    assert parse('{"op":"start","id":3,"sources":["mic"]}') == Start(id=3, sources=("mic",))


@pytest.mark.parametrize(
    "message",
    [
        "",
        "nonsense",
        "[]",
        "null",
        "{}",
        '{"op":"search","id":1}',
        '{"op":"search","id":"one","text":"x"}',
        '{"op":"search","id":-1,"text":"x"}',
        '{"op":"shutdown","id":1}',
        '{"op":"stop","id":1,"session":"s","force":true}',
        '{"op":"show","id":1,"session":"s","after":1e400}',
        '{"op":"show","id":1,"session":"s","after":9223372036854775808}',
        '{"op":"search","id":1,"text":"\\ud800"}',
        "[" * 60_000,
        json.dumps({"op": "search", "id": 1, "text": "x" * 501}),
        json.dumps({"op": "start", "id": 1, "sources": ["mic"] * 33}),
    ],
)
def test_what_is_none_is_refused_in_words(message: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(message)
