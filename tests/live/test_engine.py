"""The engine with its real model, as clients see it: the official SDK, and plain WebSockets."""

import asyncio
import contextlib
import http.client
import itertools
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
from assemblyai.streaming.v3 import (
    AsyncRealTimeTranscriber,
    Encoding,
    RealTimeEvents,
    RealTimeParameters,
    RealTimeTranscriber,
    RealTimeTranscriberOptions,
    SpeechModel,
)
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from whisper_normalizer.english import EnglishTextNormalizer

from causal.engine.app import Engine, cache_dir, reception_of, running
from causal.engine.prepare import model_folder
from causal.messages import QueueDepth
from causal.paths import Paths
from causal.testing.clips import read_clip
from causal.testing.waiting import until_async

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("speech_model")]

KEY = "a-key-of-the-test"
CHUNK = 1600
NAMES = ("jfk", "austen-0870", "austen-0920", "austen-0930")
JFK_STARTS_S = (
    0.29, 0.63, 0.97, 1.24, 1.63, 3.25, 3.99, 5.37, 5.61, 5.86, 6.42, 6.66, 6.91, 7.05, 8.15, 8.53, 8.82, 9.20, 9.37,
    9.63, 9.78, 9.99,
)  # fmt: skip
"""Where the words of jfk.wav begin, by forced alignment with another recogniser (PocketSphinx)."""

normal = EnglishTextNormalizer()
SAMPLES = Path(__file__).parents[2] / "samples"


def settings(**changes: Any) -> Engine:
    return Engine(**({"cache_dir": cache_dir(Paths.from_environment()), "key": KEY} | changes))


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def sound(name: str, gain: float = 1.0, silence_s: float = 1.0) -> bytes:
    samples = read_clip(SAMPLES / f"{name}.wav").samples() * gain
    quiet = np.zeros(-len(samples) % CHUNK + int(silence_s * 16_000))
    return np.concatenate([samples, quiet]).astype("<i2").tobytes()


def chunks(data: bytes) -> list[bytes]:
    return [data[i : i + 2 * CHUNK] for i in range(0, len(data), 2 * CHUNK)]


@contextlib.asynccontextmanager
async def session(url: str, query: str = "", key: str | None = KEY) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": key} if key else {}
    async with connect(f"{url}/v3/ws?sample_rate=16000&{query}", additional_headers=headers) as socket:
        yield socket


async def received(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """All messages until the connection is closed, and the code with which it was."""
    messages = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(await socket.recv()))
    assert socket.close_code is not None
    return messages, socket.close_code


async def transcribed(url: str, data: bytes, query: str = "") -> list[dict[str, Any]]:
    """Sends everything as fast as it is taken; the messages."""
    async with session(url, query) as socket:
        reading = asyncio.create_task(received(socket))
        for chunk in chunks(data):
            await socket.send(chunk)
        await socket.send('{"type": "Terminate"}')
        messages, code = await reading
    assert code == 1000
    assert (messages[0]["type"], messages[-1]["type"]) == ("Begin", "Termination")
    return messages


def finals(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message["type"] == "Turn" and message["end_of_turn"]]


def text(messages: list[dict[str, Any]]) -> str:
    return str(normal(" ".join(message["transcript"] for message in finals(messages))))


def expected(name: str) -> str:
    return str(normal(read_clip(SAMPLES / f"{name}.wav").transcript))


@pytest.mark.parametrize("name", NAMES)
def test_real_speech_is_understood_to_the_word(name):
    async def story() -> None:
        async with running(settings()) as url:
            assert text(await transcribed(url, sound(name))) == expected(name)

    run(story)


def test_very_quiet_speech_is_understood_too():
    async def story() -> None:
        async with running(settings()) as url:
            heard = text(await transcribed(url, sound("austen-0870", gain=0.02)))
        assert jiwer.wer(expected("austen-0870"), heard) < 0.1

    run(story)


def test_words_begin_where_another_recogniser_hears_them():
    async def story() -> None:
        async with running(settings()) as url:
            messages = await transcribed(url, sound("jfk"))
        words = [word for final in finals(messages) for word in final["words"]]
        errors_s = np.abs(np.array([word["start"] / 1000 for word in words]) - JFK_STARTS_S)
        assert np.median(errors_s) < 0.05
        assert np.percentile(errors_s, 95) < 0.15
        assert all(word["word_is_final"] and 0 < word["confidence"] <= 1 for word in words)
        assert all(isinstance(word["start"], int) and word["start"] < word["end"] for word in words)
        assert all(a["end"] <= b["start"] for a, b in itertools.pairwise(words))

    run(story)


def test_the_official_sdk_gets_partials_and_finals():
    heard: list[tuple[str, Any]] = []
    paced = threading.Event()

    def speak(url: str) -> None:
        client = RealTimeTranscriber(RealTimeTranscriberOptions(api_key=KEY, api_host=url, connect_timeout=5.0))
        for event in RealTimeEvents:
            client.on(event, lambda _, message, name=event.value: heard.append((name, message)))
        client.connect(
            RealTimeParameters(
                sample_rate=16_000,
                encoding=Encoding.pcm_s16le,
                speech_model=SpeechModel.universal_streaming_english,
                format_turns=True,
                session_heartbeat=True,
                keyterms_prompt=["causal"],
            )
        )
        for chunk in chunks(sound("jfk")):
            client.stream(chunk)
            paced.wait(0.05)  # twice as fast as it was spoken: slow enough for partials
        client.disconnect(terminate=True)

    async def story() -> None:
        async with running(settings()) as url:
            await asyncio.to_thread(speak, url)

    run(story)
    names = [name for name, _ in heard]
    assert names[0] == "Begin"
    assert names[-1] == "Termination"
    assert "Heartbeat" in names
    assert "Error" not in names
    turns = [message for name, message in heard if name == "Turn"]
    assert any(not turn.end_of_turn and turn.transcript for turn in turns)
    ended = [turn for turn in turns if turn.end_of_turn]
    assert [turn.turn_order for turn in ended] == list(range(len(ended)))
    assert normal(" ".join(turn.transcript for turn in ended)) == expected("jfk")


def test_the_official_sdk_forces_an_endpoint():
    async def story() -> None:
        turns: asyncio.Queue[Any] = asyncio.Queue()

        async def on_turn(_: object, turn: Any) -> None:
            await turns.put(turn)

        async with running(settings()) as url:
            options = RealTimeTranscriberOptions(api_key=KEY, api_host=url, connect_timeout=5.0)
            client = AsyncRealTimeTranscriber(options)
            client.on(RealTimeEvents.Turn, on_turn)
            await client.connect(
                RealTimeParameters(
                    sample_rate=16_000,
                    encoding=Encoding.pcm_s16le,
                    speech_model=SpeechModel.universal_streaming_english,
                )
            )
            for chunk in chunks(sound("austen-0930", silence_s=0))[:20]:
                await client.stream(chunk)
            await client.force_endpoint()
            async with asyncio.timeout(10):
                while not (turn := await turns.get()).end_of_turn:
                    pass
            assert normal(turn.transcript).startswith("he might even have been")
            await client.disconnect(terminate=True)

    run(story)


@pytest.mark.parametrize(
    ("key", "query", "says"),
    [
        ("wrong", "", "Unauthorized Connection: Invalid API key"),
        (f"Bearer {KEY}", "", "Unauthorized Connection: Invalid API key"),
        (None, "", "Missing Authorization header"),
        (None, "token=wrong", "Unauthorized Connection: Invalid API key"),
    ],
)
def test_a_client_without_the_key_is_told_so_after_the_upgrade(key, query, says):
    async def story() -> None:
        async with running(settings()) as url, session(url, query, key) as socket:
            messages, code = await received(socket)
            assert messages == [{"type": "Error", "error_code": 1008, "error": says}]
            assert code == 1008

    run(story)


def test_the_key_may_be_in_the_address():
    async def story() -> None:
        async with running(settings()) as url, session(url, f"token={KEY}", key=None) as socket:
            assert json.loads(await socket.recv())["type"] == "Begin"

    run(story)


def test_an_engine_without_a_key_lets_anyone_in():
    async def story() -> None:
        async with running(settings(key=None)) as url, session(url, key=None) as socket:
            assert json.loads(await socket.recv())["type"] == "Begin"

    run(story)


@pytest.mark.parametrize(
    ("sent", "code", "says"),
    [
        (bytes(640), 3007, "Input Duration Violation: 20.0 ms"),
        (bytes(40_000), 3007, "Input Duration Violation: 1250.0 ms"),
        ('{"type": "Sing"}', 3006, "Invalid Message Type: Sing"),
        ("{", 3006, "Invalid JSON"),
    ],
)
def test_what_the_service_refuses_is_refused_here(sent, code, says):
    async def story() -> None:
        async with running(settings()) as url, session(url) as socket:
            await socket.send(sent)
            (begin, error), closed_with = await received(socket)
            assert begin["type"] == "Begin"
            assert error["error_code"] == closed_with == code
            assert says in error["error"]

    run(story)


def test_another_language_is_refused_before_the_session_begins():
    async def story() -> None:
        async with running(settings()) as url, session(url, 'language_codes=["de"]') as socket:
            (error,), code = await received(socket)
            assert code == 3006
            assert "English only" in error["error"]

    run(story)


def test_only_the_documented_paths_are_there():
    def status(url: str, path: str) -> int:
        client = http.client.HTTPConnection(url.removeprefix("ws://"), timeout=5)
        client.request("GET", path)
        found = client.getresponse().status
        client.close()
        return found

    async def story() -> None:
        async with running(settings()) as url:
            assert await asyncio.to_thread(status, url, "/v3/ws/health") == 200
            assert await asyncio.to_thread(status, url, "/v3/wss") == 404
            assert await asyncio.to_thread(status, url, "/") == 404

    run(story)


def test_a_missing_model_is_named_with_the_command_and_found_once_it_is_there(tmp_path):
    async def story() -> None:
        async with running(settings(cache_dir=tmp_path)) as url:
            async with session(url) as socket:
                (error,), code = await received(socket)
                assert (error["error_code"], code) == (1011, 1011)
                assert "causal-engine prepare" in error["error"]
            model_folder(tmp_path).symlink_to(model_folder(cache_dir(Paths.from_environment())))
            async with session(url) as socket:
                assert json.loads(await socket.recv())["type"] == "Begin"

    run(story)


def test_two_minutes_at_once_are_taken_as_fast_as_they_are_understood():
    async def story() -> None:
        data = b"".join(sound(name) for name in NAMES) * 4
        async with running(settings()) as url:
            messages = await transcribed(url, data, "session_heartbeat=true")
        assert jiwer.wer(" ".join([expected(name) for name in NAMES] * 4), text(messages)) < 0.05
        beats = [message["total_audio_received_ms"] for message in messages if message["type"] == "Heartbeat"]
        assert beats == sorted(beats)
        assert max(b - a for a, b in itertools.pairwise(beats)) < 20_000
        assert beats[-1] > len(data) / 32 - 20_000
        assert messages[-1]["audio_duration_seconds"] == round(len(data) / 32_000)

    run(story)


def test_streams_side_by_side_do_not_mix():
    async def story() -> None:
        async with running(settings()) as url:
            several = await asyncio.gather(*(transcribed(url, sound(name)) for name in NAMES))
        assert [text(messages) for messages in several] == [expected(name) for name in NAMES]

    run(story)


def test_a_client_that_vanishes_does_not_disturb_the_next():
    async def story() -> None:
        async with running(settings()) as url:
            async with session(url) as socket:
                for chunk in chunks(sound("jfk")):
                    await socket.send(chunk)
                socket.transport.abort()
            assert text(await transcribed(url, sound("austen-0930"))) == expected("austen-0930")

    run(story)


def test_what_waits_of_all_clients_is_told():
    async def story() -> None:
        reception = reception_of(settings())
        async with running(settings(), reception) as url:
            async with session(url) as socket:
                await socket.recv()
                assert {name: queue.capacity for name, queue in reception.queues().items()} == {
                    "sound_ms": 60_000,
                    "messages": 200,
                }
                reading = asyncio.create_task(received(socket))
                for chunk in chunks(sound("austen-0930")):
                    await socket.send(chunk)
                await socket.send('{"type": "Terminate"}')
                await until_async(lambda: reception.queues()["sound_ms"].depth > 1000)
                await reading
            await until_async(lambda: reception.queues()["sound_ms"] == QueueDepth(depth=0, capacity=0))

    run(story)


def test_a_session_that_runs_when_the_engine_stops_may_finish():
    async def story() -> None:
        async with contextlib.AsyncExitStack() as stack:
            url = await stack.enter_async_context(running(settings(grace_s=20.0)))
            async with session(url) as socket:
                for chunk in chunks(sound("austen-0930")):
                    await socket.send(chunk)
                stopping = asyncio.create_task(stack.pop_all().aclose())
                await socket.send('{"type": "Terminate"}')
                messages, code = await received(socket)
            await stopping
        assert code == 1000
        assert text(messages) == expected("austen-0930")

    run(story)


def test_a_session_that_does_not_finish_in_time_is_ended():
    async def story() -> None:
        async with contextlib.AsyncExitStack() as stack:
            url = await stack.enter_async_context(running(settings(grace_s=0.1)))
            socket = await connect(f"{url}/v3/ws", additional_headers={"Authorization": KEY})
            await socket.recv()
            await stack.aclose()
            _, code = await received(socket)
        assert code == 1001

    run(story)


def test_the_address_is_written_for_its_user(tmp_path: Path):
    async def story() -> None:
        async with running(settings(address_file=tmp_path / "engine.json")) as url:
            assert json.loads((tmp_path / "engine.json").read_text()) == {"url": url, "key": KEY}

    run(story)
