import pytest

from causal.capture.choice import choose
from causal.errors import SourceError
from causal.testing.fake_source import FakeSource

NO_SERVER = SourceError("device-unavailable", "no sound server answers", retryable=True)


@pytest.fixture
def all_backends():
    names = ("pulse", "portaudio", "soundcard", "wasapi", "tap", "file", "radio")
    backends = {name: FakeSource() for name in names}
    for name, backend in backends.items():
        backend.add(f"{name}:mic")
    return backends


def listed(chosen):
    return [device.id for backend in chosen.values() for device in backend.devices()]


@pytest.mark.parametrize(
    ("wanted", "system", "expected"),
    [
        ("auto", "linux", ["pulse:mic"]),
        ("auto", "win32", ["wasapi:mic"]),
        ("auto", "darwin", ["tap:mic", "portaudio:mic"]),
        ("auto", "freebsd14", ["portaudio:mic"]),
        ("soundcard", "linux", ["soundcard:mic"]),
        ("portaudio", "linux", ["portaudio:mic"]),
        ("coreaudio", "darwin", ["tap:mic", "portaudio:mic"]),
    ],
)
def test_what_is_heard_with(all_backends, wanted, system, expected):
    assert listed(choose(all_backends, wanted, system)) == ["file:mic", "radio:mic", *expected]


def test_without_a_sound_server_portaudio_takes_its_place_and_opens_its_own(all_backends):
    all_backends["pulse"].problem = NO_SERVER
    chosen = choose(all_backends, "auto", "linux")
    assert "portaudio:mic" in listed(chosen)
    chosen["portaudio"].open("portaudio:mic", Deaf())
    assert all_backends["portaudio"].opened == ["portaudio:mic"]


def test_a_server_that_has_answered_is_waited_for(all_backends):
    chosen = choose(all_backends, "auto", "linux")
    listed(chosen)
    all_backends["pulse"].problem = NO_SERVER
    with pytest.raises(SourceError, match="no sound server"):
        listed(chosen)


def test_a_server_that_comes_later_takes_its_place(all_backends):
    all_backends["pulse"].problem = NO_SERVER
    chosen = choose(all_backends, "auto", "linux")
    listed(chosen)
    all_backends["pulse"].problem = None
    assert "pulse:mic" in listed(chosen) and "portaudio:mic" not in listed(chosen)


def test_when_nothing_can_be_heard_the_first_ones_reason_is_told(all_backends):
    all_backends["pulse"].problem = NO_SERVER
    all_backends["portaudio"].problem = SourceError("device-unavailable", "PortAudio cannot be loaded")
    with pytest.raises(SourceError, match="no sound server"):
        listed(choose(all_backends, "auto", "linux"))


def test_only_what_is_listed_is_watched(all_backends):
    all_backends["pulse"].problem = NO_SERVER
    chosen = choose(all_backends, "auto", "linux")
    changes = []
    watches = [backend.watch(lambda: changes.append(1)) for backend in chosen.values()]
    listed(chosen)
    all_backends["portaudio"].add("portaudio:other")
    assert len(changes) == 1
    all_backends["pulse"].problem = None
    listed(chosen)
    all_backends["portaudio"].add("portaudio:third")
    assert len(changes) == 1
    for watch in filter(None, watches):
        watch.close()
    all_backends["pulse"].add("pulse:other")
    assert len(changes) == 1


class Deaf:
    def on_format(self, rate_hz, channels):
        pass
