"""The test service, as the official client and as a bare socket see it."""

import asyncio
import contextlib
import json
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from assemblyai.streaming.v3 import (
    Encoding,
    RealTimeEvents,
    RealTimeParameters,
    RealTimeSessionParameters,
    RealTimeTranscriber,
    RealTimeTranscriberOptions,
    SpeechModel,
)
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from causal.testing.assemblyai_server import AssemblyAIServer, in_thread
from causal.testing.assemblyai_session import Rules
from causal.testing.oracle_speech import silence, speak, to_s16
from causal.testing.waiting import until

pytestmark = pytest.mark.live

AUDIO = to_s16(np.concatenate([speak([1, 2, 3]), silence(1000), speak([44]), silence(600)]))


@pytest.fixture
def server() -> Iterator[AssemblyAIServer]:
    with in_thread(AssemblyAIServer()) as running:
        yield running


class Client:
    """The official client, and all that it told."""

    def __init__(self, url: str, key: str = "test-key") -> None:
        self.events: list[tuple[str, object]] = []
        options = RealTimeTranscriberOptions(api_key=key, api_host=url, connect_timeout=5.0)
        self.transcriber = RealTimeTranscriber(options)
        for kind in RealTimeEvents:
            self.transcriber.on(kind, self._note(kind.value))

    def _note(self, kind: str) -> Callable[[object, object], None]:
        return lambda _client, event: self.events.append((kind, event))

    def run(self, model: SpeechModel, **parameters: object) -> None:
        self.transcriber.connect(
            RealTimeParameters(sample_rate=16_000, encoding=Encoding.pcm_s16le, speech_model=model, **parameters)
        )
        for start in range(0, len(AUDIO), 1600):
            self.transcriber.stream(AUDIO[start : start + 1600].tobytes().ljust(1600, b"\0"))

    def finals(self) -> list[str]:
        return [event.transcript for kind, event in self.events if kind == "Turn" and event.end_of_turn]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


def test_the_official_client_hears_a_whole_session_of_a_word_by_word_model(server):
    client = Client(server.url)
    client.run(SpeechModel.universal_streaming_english, format_turns=True, keyterms_prompt=["Müller"])
    client.transcriber.set_params(RealTimeSessionParameters(max_turn_silence=900))
    client.transcriber.force_endpoint()
    client.transcriber.disconnect(terminate=True)
    assert client.finals() == ["n1 n2 n3", "N1 n2 n3.", "n44", "N44.", ""]
    assert client.kinds()[0] == "Begin"
    assert client.kinds()[-1] == "Termination"
    record = server.records[0]
    assert record.query["format_turns"] == "True"
    assert json.loads(record.query["keyterms_prompt"]) == ["Müller"]
    assert record.texts == ["UpdateConfiguration", "ForceEndpoint", "Terminate"]
    assert bytes(record.audio[: 2 * len(AUDIO)]) == AUDIO.tobytes()


def test_the_official_client_hears_a_whole_session_of_a_pro_model(server):
    client = Client(server.url)
    client.run(SpeechModel.universal_3_5_pro, session_heartbeat=True)
    client.transcriber.disconnect(terminate=True)
    assert client.finals() == ["N1 n2 n3.", "N44."]
    assert client.kinds().count("SpeechStarted") == 2


def test_the_official_client_is_told_of_a_wrong_key_after_the_upgrade(server):
    client = Client(server.url, key="wrong")
    client.transcriber.connect(
        RealTimeParameters(
            sample_rate=16_000, encoding=Encoding.pcm_s16le, speech_model=SpeechModel.universal_streaming_english
        )
    )
    until(lambda: "Error" in client.kinds())
    assert "Invalid API key" in str(dict(client.events)["Error"])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_the_official_client_gets_a_token_and_a_session_over_tls(tmp_path, monkeypatch):
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    asked = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", names]
    command = ["openssl", "req", *asked, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with in_thread(AssemblyAIServer(tls=tls)) as server:
        client = Client(f"localhost:{server.port}")
        assert client.transcriber.create_temporary_token(expires_in_seconds=60)
        client.run(SpeechModel.universal_streaming_english)
        client.transcriber.disconnect(terminate=True)
        assert client.finals() == ["n1 n2 n3", "n44", ""]


def dial(server: AssemblyAIServer, query: str = "", headers: dict[str, str] | None = None) -> connect:
    given = {"Authorization": "test-key"} if headers is None else headers
    address = f"{server.url}/v3/ws?speech_model=universal-streaming-english{query}"
    return connect(address, additional_headers=given, compression=None, ping_interval=None)


async def ending(connection: ClientConnection) -> tuple[list[dict[str, object]], int | None]:
    """All messages up to the close, and its code."""
    messages: list[dict[str, object]] = []
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(5):
            while True:
                messages.append(json.loads(await connection.recv()))
    return messages, connection.close_code


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "Missing Authorization header"),
        ({"Authorization": "Bearer test-key"}, "Unauthorized Connection: Invalid API key"),
        ({"Authorization": "other"}, "Unauthorized Connection: Invalid API key"),
    ],
)
def test_a_key_is_refused_only_after_the_upgrade(headers, told):
    async def story() -> None:
        async with AssemblyAIServer() as server, dial(server, headers=headers) as connection:
            messages, code = await ending(connection)
            assert [message["error"] for message in messages] == [told]
            assert code == 1008
            assert connection.close_reason == "See Error message for details"

    asyncio.run(story())


def get(url: str, **headers: str) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(url.replace("ws://", "http://"), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_temporary_token_opens_a_session_and_caps_it(server):
    address = f"{server.url}/v3/token"
    assert get(f"{address}?expires_in_seconds=60")[0] == 422
    assert get(f"{address}?expires_in_seconds=601", Authorization="test-key")[0] == 422
    assert get(address, Authorization="test-key")[0] == 422
    assert get(f"{address}?expires_in_seconds=60", Authorization="x")[0] == 401
    asked = f"{address}?expires_in_seconds=60&max_session_duration_seconds=90"
    status, reply = get(asked, Authorization="test-key")
    assert (status, reply["expires_in_seconds"]) == (200, 60)

    async def story() -> None:
        began_s = time.time()
        async with dial(server, f"&token={reply['token']}", headers={}) as connection:
            begin = json.loads(await connection.recv())
            assert began_s + 89 <= begin["expires_at"] <= time.time() + 91

    asyncio.run(story())


def test_too_many_sessions_are_refused_with_the_code_of_either_page():
    async def story() -> None:
        async with AssemblyAIServer() as server, dial(server) as first:
            await first.recv()
            server.limits.concurrent = 1
            for code in (1008, 3009):
                server.limits.code = code
                async with dial(server) as second:
                    messages, closed = await ending(second)
                    assert "concurrent" in str(messages[0]["error"])
                    assert closed == code

    asyncio.run(story())


def test_the_faults_do_what_they_say():
    async def story() -> None:
        async with AssemblyAIServer() as server:
            server.faults.refuse_status = 503
            with pytest.raises(InvalidStatus):
                await dial(server)
            server.faults.refuse_status = None
            server.faults.stall_begin = True
            async with dial(server) as connection:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await connection.recv()
                server.faults.stall_begin = False
                assert json.loads(await connection.recv())["type"] == "Begin"
                server.close_all(1000)
                assert await ending(connection) == ([], 1000)
            async with dial(server) as connection:
                await connection.recv()
                server.fail_all(3005, "Server error")
                messages, code = await ending(connection)
                assert (messages[0]["error_code"], code) == (3005, 3005)
            async with dial(server) as connection:
                await connection.recv()
                server.abort_all()
                assert await ending(connection) == ([], 1006)

    asyncio.run(story())


def test_a_frozen_server_answers_no_ping_and_keeps_the_connection():
    async def story() -> None:
        async with AssemblyAIServer() as server, dial(server) as connection:
            await connection.recv()
            await asyncio.wait_for(await connection.ping(), 15)
            server.freeze()
            await asyncio.sleep(0)  # the server's loop is this one, and takes the order now
            pong = await connection.ping()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(pong), 0.3)
            server.thaw()
            await asyncio.wait_for(pong, 15)

    asyncio.run(story())


def test_a_server_that_went_away_comes_back_on_the_same_port():
    async def story() -> None:
        async with AssemblyAIServer() as server:
            port = server.port
            await server.go_away()
            with pytest.raises(OSError):
                await dial(server)
            await server.come_back()
            assert server.port == port
            async with dial(server) as connection:
                assert json.loads(await connection.recv())["type"] == "Begin"

    asyncio.run(story())


def test_the_end_may_come_without_termination():
    async def story() -> None:
        async with AssemblyAIServer(rules=Rules(termination=False)) as server, dial(server) as connection:
            await connection.recv()
            await connection.send('{"type": "Terminate"}')
            messages, code = await ending(connection)
            assert "Termination" not in [message["type"] for message in messages]
            assert code == 1000

    asyncio.run(story())
