"""docs/protocol.md names every message, every field with its type and default, and nothing that there is not."""

from __future__ import annotations

import inspect
import json
import re
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from causal import errors, topics
from causal.messages import EVENT_TYPES, Event, Message, audio, control, events, log
from causal.messages.events import Transcript

DOCUMENT = Path(__file__).parents[1] / "docs" / "protocol.md"
FIELD = re.compile(r"^\* `(\w+)` - .* \(([^()]+), (required|default [^()]+)\)$")
HEADING = re.compile(r"^#{3,4} `([a-z-]+)`")

EVENTS = {kind: name for name, kind in EVENT_TYPES.items()}
COMMON = {Event: "event", Transcript: "transcript"}
"""Sections of fields that several events share."""

MESSAGES: dict[str, type[Message]] = {
    **EVENT_TYPES,
    **{name: kind for kind, name in COMMON.items()},
    **{
        re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower(): kind
        for module in (audio, log, control, events)
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Message) and kind not in (Message, *EVENTS, *COMMON)
    },
}


def sections() -> dict[str, list[str]]:
    """The lines of the document, by the message whose heading they follow; a field is one line."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in DOCUMENT.read_text("utf-8").replace("\n  ", " ").splitlines():
        if line.startswith("#"):
            heading = HEADING.match(line)
            name = heading[1] if heading else ""
        if name:
            found.setdefault(name, []).append(line)
    return found


def type_text(annotation: Any) -> str:
    """A field's type in the words of the document."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        kinds = [type_text(argument) for argument in arguments if argument is not type(None)]
        return " or ".join([*kinds, "nil"] if type(None) in arguments else kinds)
    if origin is Literal:
        return "string"
    if origin is tuple:
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return "map" if arguments[1] is Any else f"map of {type_text(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Message):
        return next(name for name, kind in MESSAGES.items() if kind is annotation)
    return {int: "int", float: "float", str: "string", bool: "bool"}[annotation]


def default_text(field: Any) -> str:
    """`required`, or the default as JSON."""
    if field.required:
        return "required"
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return f"default {json.dumps(default).replace('null', 'nil')}"


def own_fields(kind: type[Message]) -> dict[str, tuple[str, str]]:
    """What the document should say of a message's fields; those shared with other events have their own section."""
    shared: set[str] = set()
    for base in kind.__mro__[1:]:
        if base in COMMON:
            shared |= {field.name for field in msgspec.structs.fields(base)}
    hints = get_type_hints(kind)
    return {
        field.name: (type_text(hints[field.name]), default_text(field))
        for field in msgspec.structs.fields(kind)
        if field.name not in shared
    }


def test_every_message_has_a_section_and_every_section_a_message() -> None:
    assert set(sections()) == set(MESSAGES)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_section_names_all_fields_as_they_are(name: str) -> None:
    matches = [match for line in sections()[name] if (match := FIELD.match(line))]
    written = {match[1]: (match[2], match[3].replace("`", "")) for match in matches}
    assert written == own_fields(MESSAGES[name])


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_no_line_of_a_section_looks_like_a_field_and_is_none(name: str) -> None:
    assert [line for line in sections()[name] if line.startswith("* `") and not FIELD.match(line)] == []


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_section_names_all_that_a_field_may_say(name: str) -> None:
    text = "\n".join(sections()[name])
    literals = [hint for hint in get_type_hints(MESSAGES[name]).values() if get_origin(hint) is Literal]
    assert [value for hint in literals for value in get_args(hint) if f"`{value}`" not in text] == []


def longest(annotation: Any) -> set[int]:
    """All that is said of a field's greatest length."""
    own = {meta.max_length for meta in getattr(annotation, "__metadata__", ()) if meta.max_length}
    return own.union(*map(longest, get_args(annotation)))


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_field_names_its_greatest_length(name: str) -> None:
    lines = {match[1]: line for line in sections()[name] if (match := FIELD.match(line))}
    for field, hint in get_type_hints(MESSAGES[name], include_extras=True).items():
        if field in lines:
            missing = [length for length in longest(hint) if not re.search(rf"\b{length}\b", lines[field])]
            assert missing == [], field


def test_all_topics_and_codes_are_named() -> None:
    text = DOCUMENT.read_text("utf-8")
    names = [value.decode() for name, value in vars(topics).items() if name.isupper()]
    assert [name for name in [*names, *errors.CODES] if f"`{name}" not in text] == []
