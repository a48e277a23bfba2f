import asyncio
import threading
from collections.abc import Callable

import numpy as np
import pytest

from causal.engine.decoder import Decoder, Read
from causal.engine.hypothesis import Hypothesis
from causal.engine.schedule import Kind, Reading
from causal.engine.segmenter import Segment
from causal.engine.vocabulary import SPACE, Vocabulary
from causal.errors import EngineError

WORDS = Vocabulary([b"<unk>", b"<s>", b"</s>", SPACE + b"one", SPACE + b"two"])


def hypothesis(*tokens: int, complete: bool = True) -> Hypothesis:
    looks = np.ones((3, len(tokens), 40), np.float32)
    return Hypothesis(tokens, (0.9,) * len(tokens), looks, complete)


class FakeModel:
    """Hears "one" in drafts and "one two" in finals. A draft lasts until `release` is set or it has to give up."""

    vocabulary = WORDS

    def __init__(self) -> None:
        self.release = threading.Event()
        self.drafting = threading.Event()
        self.calls: list[tuple[str, tuple[int, ...]]] = []

    def draft(self, samples, before: Hypothesis, give_up: Callable[[], bool]) -> Hypothesis:
        self.calls.append(("draft", before.tokens))
        self.drafting.set()
        while not self.release.wait(0.002):
            if give_up():
                return hypothesis(3, complete=False)
        return hypothesis(3)

    def confirm(self, samples, before: Hypothesis) -> Hypothesis:
        self.calls.append(("confirm", before.tokens))
        if len(samples) == 666:
            raise RuntimeError("broken")
        return hypothesis(3, 4)


class Listener:
    """Keeps what was delivered; `got(n)` waits for the n-th."""

    def __init__(self) -> None:
        self.found: list[Read | Exception] = []
        self._more = asyncio.Event()

    def __call__(self, found: Read | Exception) -> None:
        self.found.append(found)
        self._more.set()

    async def got(self, count: int) -> list[Read | Exception]:
        async with asyncio.timeout(5):
            while len(self.found) < count:
                self._more.clear()
                await self._more.wait()
        return self.found


def reading(stream: str, kind: Kind, segment: Segment, length: int = 16_000) -> Reading:
    return Reading(stream, kind, segment, np.zeros(length, np.float32))


def texts(found: list[Read | Exception]) -> list[str]:
    return [" ".join(word.text for word in read.words) for read in found if isinstance(read, Read)]


def test_a_draft_gives_way_to_a_final_which_starts_from_what_it_had():
    async def story() -> None:
        model, segment, listener = FakeModel(), Segment(0), Listener()
        decoder = Decoder(lambda: model)
        await decoder.ready()
        async with decoder.running():
            decoder.attach("a", listener)
            decoder.ask(reading("a", Kind.DRAFT, segment))
            await asyncio.to_thread(model.drafting.wait, 5)
            decoder.ask(reading("a", Kind.FINAL, segment))
            assert texts(await listener.got(1)) == ["one two"]
        assert model.calls == [("draft", ()), ("confirm", (3,))]

    asyncio.run(story())


def test_a_finished_draft_is_delivered_and_helps_the_next_reading_of_its_segment_only():
    async def story() -> None:
        model, listener = FakeModel(), Listener()
        model.release.set()
        decoder = Decoder(lambda: model)
        await decoder.ready()
        async with decoder.running():
            decoder.attach("a", listener)
            segment = Segment(0)
            decoder.ask(reading("a", Kind.DRAFT, segment))
            await listener.got(1)
            decoder.ask(reading("a", Kind.FINAL, segment))
            await listener.got(2)
            decoder.ask(reading("a", Kind.FINAL, Segment(99)))
            assert texts(await listener.got(3)) == ["one", "one two", "one two"]
        assert model.calls == [("draft", ()), ("confirm", (3,)), ("confirm", ())]

    asyncio.run(story())


def test_a_candidate_that_turns_out_to_be_the_final_is_not_read_again():
    async def story() -> None:
        model, listener, segment = FakeModel(), Listener(), Segment(0)
        decoder = Decoder(lambda: model)
        await decoder.ready()
        async with decoder.running():
            decoder.attach("a", listener)
            decoder.ask(reading("a", Kind.CANDIDATE, segment, 9000))
            await listener.got(1)
            decoder.ask(reading("a", Kind.FINAL, segment, 9000))
            found = await listener.got(2)
        assert texts(found) == ["one two", "one two"]
        assert isinstance(found[1], Read)
        assert found[1].reading.kind is Kind.FINAL
        assert len(model.calls) == 1

    asyncio.run(story())


def test_a_candidate_after_which_speech_went_on_is_read_again():
    async def story() -> None:
        model, listener, segment = FakeModel(), Listener(), Segment(0)
        decoder = Decoder(lambda: model)
        await decoder.ready()
        async with decoder.running():
            decoder.attach("a", listener)
            decoder.ask(reading("a", Kind.CANDIDATE, segment, 9000))
            await listener.got(1)
            decoder.ask(reading("a", Kind.FINAL, segment, 20_000))
            await listener.got(2)
        assert len(model.calls) == 2

    asyncio.run(story())


def test_a_reading_that_fails_fails_its_stream_alone():
    async def story() -> None:
        model, bad, good = FakeModel(), Listener(), Listener()
        decoder = Decoder(lambda: model)
        await decoder.ready()
        async with decoder.running():
            decoder.attach("bad", bad)
            decoder.attach("good", good)
            decoder.ask(reading("bad", Kind.FINAL, Segment(0), 666))
            decoder.ask(reading("good", Kind.FINAL, Segment(0)))
            assert texts(await good.got(1)) == ["one two"]
            (failure,) = await bad.got(1)
        assert str(failure) == "broken"

    asyncio.run(story())


def test_who_left_gets_nothing_and_its_draft_ends():
    async def story() -> None:
        model, gone, there = FakeModel(), Listener(), Listener()
        decoder = Decoder(lambda: model)
        await decoder.ready()
        async with decoder.running():
            decoder.attach("gone", gone)
            decoder.attach("there", there)
            decoder.ask(reading("gone", Kind.DRAFT, Segment(0)))
            await asyncio.to_thread(model.drafting.wait, 5)
            decoder.detach("gone")
            decoder.ask(reading("there", Kind.CANDIDATE, Segment(0)))
            await there.got(1)
        assert gone.found == []

    asyncio.run(story())


def test_a_model_that_could_not_be_loaded_is_tried_again():
    async def story() -> None:
        tries = []

        def load() -> FakeModel:
            tries.append(1)
            if len(tries) == 1:
                raise EngineError("no model", "Run: causal-engine prepare")
            return FakeModel()

        decoder = Decoder(load)
        with pytest.raises(EngineError):
            await decoder.ready()
        await asyncio.gather(decoder.ready(), decoder.ready())
        assert len(tries) == 2

    asyncio.run(story())


def test_two_threads_read_two_streams_at_once():
    async def story() -> None:
        meeting = threading.Barrier(2, timeout=5)

        class Meeting(FakeModel):
            def confirm(self, samples, before):
                meeting.wait()
                return hypothesis(3)

        a, b = Listener(), Listener()
        model = Meeting()
        decoder = Decoder(lambda: model, threads=2)
        await decoder.ready()
        async with decoder.running():
            decoder.attach("a", a)
            decoder.attach("b", b)
            decoder.ask(reading("a", Kind.FINAL, Segment(0)))
            decoder.ask(reading("b", Kind.FINAL, Segment(0)))
            assert texts(await a.got(1)) == texts(await b.got(1)) == ["one"]

    asyncio.run(story())
