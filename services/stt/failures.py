"""Why a connection ended, sorted by what may be done: give up, wait, or go on at once.

The service closes every session with the reason "See Error message for details", and one code stands for several
troubles. So the text of its `Error` message is read first, the code second, but for the few codes that leave no doubt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from causal.errors import Code

LONG_WAIT_S = 30.0
"""For limits of the account: new sessions count by the minute."""

KEY_HINT = "check the key; causal-ctl key show tells where it comes from"
FUNDS_HINT = "look at the account on the speech service's web page"
LIMIT_HINT = "end other sessions, or raise the account's limit; trying again by itself"
NETWORK_HINT = "check the network; what was heard waits in the journal, and is sent when the service is back"
SETTING_HINT = "correct the setting that the message names, then start again"
PACE_HINT = "audio went out in the wrong pieces or too fast: please report this"
ENGINE_HINT = "look at the local engine: `causal-engine prepare` gets its model, `causal-ctl doctor` checks it"
MODEL_HINT = "name another model, or another address, in the settings"


@dataclass(frozen=True)
class Failure:
    """The end of a connection that nobody asked for."""

    code: Code
    message: str
    hint: str
    retryable: bool = True
    wait_s: float = 0.0
    """Wait at least so long."""
    max_tries: int | None = None
    """Give up after so many in a row; `None`: never."""
    at_once: bool = False
    """Nothing is wrong: open the next connection without backoff."""
    on_speech: bool = False
    """Open the next connection only when there is audio to send."""
    only_unsaid: bool = False
    """After `Terminate` the service did all but say `Termination`: what it told may be all."""


def _refused(code: Code, hint: str) -> Failure:
    return Failure(code, "", hint, retryable=False)


AUTH = _refused("auth-failed", KEY_HINT)
ODD_AUTH = Failure("auth-failed", "", KEY_HINT, wait_s=1.0, max_tries=2)
FUNDS = _refused("quota-exceeded", FUNDS_HINT)
LIMIT = Failure("quota-exceeded", "", LIMIT_HINT, wait_s=LONG_WAIT_S)
REJECTED = _refused("rejected-by-service", SETTING_HINT)
PACE = _refused("rejected-by-service", PACE_HINT)
RETIRED = _refused("rejected-by-service", MODEL_HINT)
NETWORK = Failure("connection-failed", "", NETWORK_HINT)
BUSY = replace(NETWORK, wait_s=5.0)
EXPIRED = replace(NETWORK, at_once=True)
INACTIVE = replace(NETWORK, at_once=True, on_speech=True)
ENGINE = Failure("engine-failed", "", ENGINE_HINT, wait_s=2.0)

_BY_TEXT: tuple[tuple[str, Failure], ...] = (
    (r"incorrect padding", ODD_AUTH),
    (r"concurrent|(too many|maximum) (requests|sessions|connections)|rate limit|sessions per minute", LIMIT),
    (r"insufficient (funds|balance|credit)|payment|billing|paid (account|plan)|out of credit|top up", FUNDS),
    (r"unauthori[sz]ed|api key|authorization|signature has expired|token|authenticat|account (is )?disabled", AUTH),
    (r"causal-engine", ENGINE),
    (r"inactivity", INACTIVE),
    (r"transmission rate|duration violation|input duration", PACE),
    (r"deprecated|retired|no longer supported|endpoint not found", RETIRED),
    (r"session (has )?expired|maximum (session )?duration|session duration", EXPIRED),
    (r"invalid|validation|must be|max \d+ items|not supported|unsupported", REJECTED),
    (r"internal|server error|unavailable|try again", NETWORK),
)

_BY_CODE: dict[int, Failure] = {
    1000: NETWORK,
    1001: NETWORK,
    1006: NETWORK,
    1008: AUTH,
    1011: NETWORK,
    1013: BUSY,
    3005: NETWORK,
    3006: REJECTED,
    3007: PACE,
    3008: EXPIRED,
    3009: LIMIT,
    # HTTP, where something before the service refuses the upgrade
    401: AUTH,
    402: FUNDS,
    403: AUTH,
    404: replace(NETWORK, hint=MODEL_HINT, wait_s=10.0),
    410: RETIRED,
    429: LIMIT,
    # the retired v2 service
    4001: AUTH,
    4002: FUNDS,
    4003: FUNDS,
    4008: EXPIRED,
    4029: PACE,
    4031: INACTIVE,
    4032: PACE,
    4033: PACE,
    4100: REJECTED,
    4101: REJECTED,
    4102: LIMIT,
}


_CLEAR_CODES = frozenset({3008, 3009})
"""They stand for one trouble each, and the text for a detail of it (a token cap, say)."""
_THEIR_FAULT = frozenset({1011, 3005})
"""The service's own trouble, whatever word of its text looks like ours: never a reason to give up."""


def classify(text: str, code: int | None) -> Failure:
    """What an `Error` message or a close frame means: a clear `code`, else `text`, else `code`, else a lost
    connection."""
    said = text.lower()
    by_text = next((failure for pattern, failure in _BY_TEXT if re.search(pattern, said)), None)
    if code in _CLEAR_CODES or (code in _THEIR_FAULT and by_text is not None and not by_text.retryable):
        by_text = None
    kind = by_text or _BY_CODE.get(code or 0, NETWORK)
    where = "the speech service" if kind is not ENGINE else "the local engine"
    number = f" ({code})" if code else ""
    return replace(kind, message=f"{where} closed the connection{number}: {text or 'without a reason'}"[:500])


def lost(message: str) -> Failure:
    """A connection that ended by itself, or never began."""
    return replace(NETWORK, message=message[:500])


def from_engine(failure: Failure) -> Failure:
    """The same, when the connection leads to the local engine: there is no network to check, and no account."""
    if failure.code in ("connection-failed", "quota-exceeded"):
        return replace(failure, code="engine-failed", hint=ENGINE_HINT, wait_s=min(failure.wait_s, 2.0))
    return failure
