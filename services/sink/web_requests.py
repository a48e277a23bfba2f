"""What the page may ask, as it comes through its socket: one JSON object a message."""

from __future__ import annotations

from typing import Annotated

import msgspec

MAX_REQUEST_BYTES = 64 * 1024

Text = Annotated[str, msgspec.Meta(max_length=500)]
Name = Annotated[str, msgspec.Meta(max_length=100)]


class Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", forbid_unknown_fields=True):
    id: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    """Comes back with the answer."""


class Hello(Request, frozen=True, tag="hello"):
    """The first message of all: shows the key."""

    key: Name


class Show(Request, frozen=True, tag="show"):
    """From now on the transcript of this session is told, from behind `after` on."""

    session: Name
    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    log: Name = ""
    """The log that `after` is from."""


class Start(Request, frozen=True, tag="start"):
    sources: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=4096)], ...], msgspec.Meta(max_length=32)]
    """Device ids, aliases, and `file:` with a path."""
    label: Text = ""
    engine: Text | None = None
    language: Name | None = None


class Stop(Request, frozen=True, tag="stop"):
    session: Name


class Sessions(Request, frozen=True, tag="sessions"):
    before: Name = ""
    """Only those that began before this moment."""


class Search(Request, frozen=True, tag="search"):
    text: Text


class Export(Request, frozen=True, tag="export"):
    session: Name
    format: Name


AnyRequest = Hello | Show | Start | Stop | Sessions | Search | Export


def parse(message: str) -> AnyRequest:
    """The request. Raises `ValueError` that says what is wrong with it."""
    try:
        request: AnyRequest = msgspec.json.decode(message, type=AnyRequest)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return request
