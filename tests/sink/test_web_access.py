"""Who is let in to the page."""

from __future__ import annotations

import pytest

from causal.sink.web_access import LINK_LIVES_S, OPEN_LINKS, Access

PORT = 8765


@pytest.fixture
def access() -> Access:
    return Access("secret", PORT)


def test_a_link_lets_in_once(access: Access) -> None:
    link = access.new_link(now_s=0.0)
    assert access.redeem(link, now_s=1.0)
    assert not access.redeem(link, now_s=1.0)


def test_a_link_is_dead_after_a_minute(access: Access) -> None:
    link = access.new_link(now_s=0.0)
    assert not access.redeem(link, now_s=LINK_LIVES_S)


def test_a_link_that_was_never_given_does_not_let_in(access: Access) -> None:
    access.new_link(now_s=0.0)
    assert not access.redeem("", now_s=0.0)


def test_of_many_links_the_newest_live(access: Access) -> None:
    links = [access.new_link(now_s=0.0) for _ in range(OPEN_LINKS + 1)]
    assert [access.redeem(link, now_s=1.0) for link in links] == [False] + [True] * OPEN_LINKS


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}"])
def test_our_own_names_are_known(access: Access, host: str) -> None:
    assert access.is_own_host(host)
    assert access.is_own_origin(f"http://{host}")


@pytest.mark.parametrize(
    "host", [None, "", "127.0.0.1", "127.0.0.1:80", f"evil.example:{PORT}", f"127.0.0.1:{PORT}.evil"]
)
def test_other_names_are_not(access: Access, host: str | None) -> None:
    assert not access.is_own_host(host)
    assert not access.is_own_origin(host and f"http://{host}")


def test_another_scheme_is_another_origin(access: Access) -> None:
    assert not access.is_own_origin(f"https://127.0.0.1:{PORT}")
    assert not access.is_own_origin("null")


def test_cookie_and_key_outlive_a_restart(access: Access) -> None:
    again = Access("secret", PORT)
    assert again.has_cookie(access.cookie) and again.has_key(access.key)


def test_another_secret_or_port_gives_others(access: Access) -> None:
    for other in (Access("other", PORT), Access("secret", PORT + 1)):
        assert not other.has_cookie(access.cookie) and not other.has_key(access.key)


def test_what_one_proof_is_the_other_is_not(access: Access) -> None:
    assert not access.has_key(access.cookie) and not access.has_cookie(access.key)
    assert not access.has_cookie(None) and not access.has_key("ключ")


def test_the_owner_shows_the_secret(access: Access) -> None:
    assert access.is_owner("Bearer secret")
    assert not access.is_owner("secret") and not access.is_owner(None)
