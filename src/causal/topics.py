"""The first part of every message: what it is, and whose.

An event's topic is `<type>/<session>/<source>/`, so a subscriber chooses by prefix; the slash at the end keeps
`mic` from matching `mic-2`. Audio and the broker's own messages have plain names.
"""

BLOCK = b"block"
CHUNK = b"chunk"
NEXT = b"next/"
DOORBELL = b"doorbell"

HEAD = b"head"
HELLO = b"hello"
BYE = b"bye"
PUBLISH = b"publish"
STORED = b"stored"
REFUSED = b"refused"
CLAIM = b"claim"
CLAIMED = b"claimed"
REPLAY = b"replay"
REPLAYED = b"replayed"


def event(kind: str, session: str = "-", source: str = "-") -> bytes:
    """The topic of an event."""
    return f"{kind}/{session}/{source}/".encode()


def next_block(stream: str) -> bytes:
    """The topic under which a receiver asks for the next block of a stream."""
    return NEXT + f"{stream}/".encode()


def kind_of(topic: bytes) -> str:
    """The type of an event, from its topic."""
    return topic.split(b"/", 1)[0].decode("ascii", "replace")


def subscription(kind: str = "", session: str | None = None, source: str | None = None) -> bytes:
    """The longest prefix that no wanted event lacks; what it lets through besides, the subscriber drops itself."""
    if not kind or session is None:
        return f"{kind}/".encode() if kind else b""
    return event(kind, session, source) if source is not None else f"{kind}/{session}/".encode()
