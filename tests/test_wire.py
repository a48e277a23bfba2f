"""Bytes to messages and back: what was sent arrives, and whatever else arrives is a `WireError`."""

import struct
from collections.abc import Iterator
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal import wire
from causal.errors import WireError
from causal.messages import EVENT_TYPES, Block, Chunk, Message, Next
from causal.messages import control as control_messages
from causal.messages import log as log_messages
from causal.messages.control import Request


def defined_in(module: Any) -> Iterator[type[Message]]:
    for thing in vars(module).values():
        if isinstance(thing, type) and issubclass(thing, Message) and thing.__module__ == module.__name__:
            yield thing


MESSAGES = [Block, Chunk, Next, *EVENT_TYPES.values(), *defined_in(log_messages), *defined_in(control_messages)]

text = st.text(max_size=20)
whole = st.integers(-(2**63), 2**63 - 1)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=5
    )


json_like = nested(st.none() | st.booleans() | whole | st.floats(allow_nan=False) | text)
anything = nested(st.none() | whole | st.floats() | text | st.binary(max_size=20) | st.integers(2**63, 2**64 - 1))


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Anything that fits `kind`, one of msgspec's descriptions of a type."""
    match kind:
        case msgspec.inspect.AnyType():
            return json_like  # bytes travel as parts of their own, never inside a message
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.IntType():
            low = -(2**63) if kind.ge is None else kind.ge
            return st.integers(low, 2**63 - 1 if kind.le is None else kind.le)
        case msgspec.inspect.FloatType():
            return st.floats(allow_nan=False)
        case msgspec.inspect.StrType():
            return st.text(max_size=min(20, kind.max_length or 20))
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType():
            return st.sampled_from(kind.values)
        case msgspec.inspect.VarTupleType():
            return st.lists(values(kind.item_type), max_size=3).map(tuple)
        case msgspec.inspect.DictType():
            return st.dictionaries(values(kind.key_type), values(kind.value_type), max_size=3)
        case msgspec.inspect.UnionType():
            return st.one_of(*map(values, kind.types))
        case msgspec.inspect.StructType():
            return st.builds(kind.cls, **{field.name: values(field.type) for field in kind.fields})
    raise AssertionError(f"no strategy for {kind}")


messages = st.sampled_from(MESSAGES).flatmap(lambda kind: values(msgspec.inspect.type_info(kind)))


@given(messages)
@settings(derandomize=True, max_examples=300)
def test_any_message_arrives_as_it_was_sent(message):
    assert wire.unpack(wire.pack(b"topic", message), type(message)) == message


def test_samples_travel_as_the_last_part_uncopied():
    samples = memoryview(bytearray(3200))
    parts = wire.pack(b"chunk", Chunk(stream="s/mic", index=0, position=0, captured_ns=0), samples)
    assert parts[-1] is samples
    assert len(parts) == 4


def test_a_message_arrives_in_any_kind_of_buffer():
    head = log_messages.Head(seq=7, oldest_seq=1)
    parts = wire.pack(b"head", head)
    for kind in (bytes, bytearray, memoryview):
        assert wire.unpack([kind(part) for part in parts], log_messages.Head) == head


def test_a_field_of_a_newer_sender_is_ignored():
    body = wire.pack_map({"seq": 7, "oldest_seq": 1, "mood": "good"})
    assert wire.unpack([b"head", wire.VERSION, body], log_messages.Head).seq == 7


# --- whatever else arrives ---


def understood(frame: bytes) -> bool:
    """Whether `frame` is a message; any exception but `WireError` passes through."""
    try:
        fields = wire.unpack_map(frame)
    except WireError as error:
        assert str(error)
        return False
    for kind in (Request, *MESSAGES):
        try:
            message = wire.convert(fields, kind)
        except WireError as error:
            assert str(error)
        else:
            wire.to_map(message)
    return True


@given(st.binary(max_size=200))
@settings(derandomize=True, max_examples=500)
def test_any_bytes_are_a_map_or_a_wire_error(frame):
    understood(frame)


@given(st.dictionaries(text, anything, max_size=5))
@settings(derandomize=True, max_examples=200)
def test_any_map_is_a_message_or_a_wire_error(fields):
    assert understood(wire.pack_map(fields))


@given(messages, st.data())
@settings(derandomize=True, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_message_is_a_message_or_a_wire_error(message, data):
    frame = bytearray(wire.pack(b"topic", message)[2])
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    understood(bytes(frame[: data.draw(st.integers(0, len(frame)))]))


@given(st.lists(st.binary(max_size=20), max_size=5))
@settings(derandomize=True)
def test_any_parts_are_a_message_or_a_wire_error(parts):
    for kind in MESSAGES:
        try:
            wire.unpack(parts, kind)
        except WireError as error:
            assert str(error)


ODDITIES = {
    "empty": b"",
    "not a map": wire.pack_map({"a": 1})[1:],
    "a list": msgpack.packb([1, 2]),
    "two maps": wire.pack_map({"a": 1}) * 2,
    "a key twice the size of the frame": b"\x81\xdb\xff\xff\xff\xff",
    "a text of 4 GiB": b"\x81\xa1a\xdb\xff\xff\xff\xff",
    "bytes of 4 GiB": b"\x81\xa1a\xc6\xff\xff\xff\xff",
    "a list of 4 billion": b"\x81\xa1a\xdd\xff\xff\xff\xff",
    "a map of 4 billion": b"\xdf\xff\xff\xff\xff",
    "an extension of 4 GiB": b"\x81\xa1a\xc9\xff\xff\xff\xff\x05",
    "nested beyond any need": b"\x81\xa1a" + b"\x91" * 100_000,
    "nested maps": b"\x81\xa1a" * 100_000,
    "a number as key": b"\x81\x01\x01",
    "a list as key": b"\x81\x91\x01\x01",
    "a time as key": b"\x81\xd6\xff\x00\x00\x00\x01\x01",
    "text that is not UTF-8": b"\x81\xa1a\xa2\xff\xfe",
    "half a surrogate": b"\x81\xa1a\xa3\xed\xa0\x80",
    "a time with too many nanoseconds": b"\x81\xa1a\xc7\x0c\xff" + b"\xff" * 12,
    "a time of one byte": b"\x81\xa1a\xd4\xff\x00",
    "the byte that MessagePack never uses": b"\x81\xa1a\xc1",
    "a body over the limit": b"\x81\xa1a\xc6" + struct.pack(">I", wire.MAX_BODY_BYTES) + bytes(wire.MAX_BODY_BYTES),
    "a text over the limit": wire.pack_map({"a": "x" * ((1 << 20) + 1)}),
}


@pytest.mark.parametrize("frame", ODDITIES.values(), ids=ODDITIES.keys())
def test_an_oddity_is_a_wire_error(frame):
    with pytest.raises(WireError) as caught:
        wire.unpack_map(frame)
    assert len(str(caught.value)) > len("not MessagePack: ")


ODD_VALUES = {
    "an extension": msgpack.ExtType(5, b"x"),
    "a time": msgpack.Timestamp(1),
    "more than 63 bits": 2**64 - 1,
    "no number": float("nan"),
    "bytes": b"x",
}


@pytest.mark.parametrize("value", ODD_VALUES.values(), ids=ODD_VALUES.keys())
@pytest.mark.parametrize("field", ["id", "kind", "event", "coverage"])
def test_an_odd_value_in_a_field_is_a_wire_error(field, value):
    fields = {"id": "a", "kind": "gap", "event": {}, "coverage": None} | {field: value}
    with pytest.raises(WireError):
        wire.unpack([b"publish", wire.VERSION, msgpack.packb(fields)], log_messages.Publish)


def test_lengths_that_lie_cost_no_memory():
    nested = b"\x81\xa1a" + b"\xdd\x00\x00\xff\xff" * 1000
    with pytest.raises(WireError, match="max_array_len"):
        wire.unpack_map(nested)


def test_another_version_is_named():
    with pytest.raises(WireError, match=r"version b'2' instead of b'1'"):
        wire.unpack([b"head", b"2", b"\x80"], log_messages.Head)


def test_too_few_parts_are_counted():
    with pytest.raises(WireError, match="3 or 4 parts, this one 2"):
        wire.unpack([b"head", b"1"], log_messages.Head)


def test_the_first_field_that_does_not_fit_is_named():
    with pytest.raises(WireError, match=r"\$\.oldest_seq"):
        wire.unpack([b"head", b"1", wire.pack_map({"seq": 1, "oldest_seq": "one"})], log_messages.Head)
