import asyncio
from collections.abc import Awaitable, Callable

from causal.stt.permits import Permits


def story(tell: Callable[[Permits, list[str]], Awaitable[None]]) -> None:
    async def run() -> None:
        nudges: list[str] = []
        async with asyncio.timeout(5):
            await tell(Permits("gateway", lambda: nudges.append("asked")), nudges)

    asyncio.run(run())


async def begun(work: Awaitable[bool]) -> "asyncio.Task[bool]":
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    return task


def test_a_wish_is_told_at_once_and_until_it_is_granted():
    async def tell(permits: Permits, nudges: list[str]) -> None:
        waiting = await begun(permits.get(live=True, unless=lambda: False))
        (wish,) = permits.wishes
        assert (wish.live, nudges) == (True, ["asked"])
        permits.grant(("somebody-else's",))
        assert permits.wishes == (wish,)
        permits.grant((wish.id,))
        assert permits.wishes == ()
        assert await waiting

    story(tell)


def test_each_wish_has_its_own_name():
    async def tell(permits: Permits, _: list[str]) -> None:
        for live in (True, False):
            await begun(permits.get(live=live, unless=lambda: False))
        assert len({wish.id for wish in permits.wishes}) == 2
        permits.grant(tuple(wish.id for wish in permits.wishes))

    story(tell)


def test_who_must_end_does_not_wait_and_leaves_no_wish():
    async def tell(permits: Permits, _: list[str]) -> None:
        over = False
        waiting = await begun(permits.get(live=True, unless=lambda: over))
        over = True
        assert not await waiting
        assert permits.wishes == ()

    story(tell)
