import struct

from causal.capture import core_audio
from causal.capture.core_audio import device_sign

NAMES = {core_audio.DEVICES: "devices", core_audio.DEFAULT_INPUT: "default"}


class FakeCoreAudio:
    """The three functions of Core Audio that are called, as its header has them. Statuses are 0 when all is well."""

    def __init__(self):
        self.devices, self.default = [41, 52], [41]
        self.status = 0
        self.run_loop = "the main one"

    def AudioObjectSetPropertyData(self, object_id, address, _size, _qualifier, size, data):
        assert (object_id.value, size.value) == (1, 8)
        assert bytes(struct.pack(">I", address._obj.selector)) == b"rnlp"
        self.run_loop = data._obj.value
        return 0

    def AudioObjectGetPropertyDataSize(self, object_id, address, _size, _qualifier, size):
        size._obj.value = len(self.data(object_id, address))
        return self.status

    def AudioObjectGetPropertyData(self, object_id, address, _size, _qualifier, size, data):
        found = self.data(object_id, address)
        assert size._obj.value >= len(found)
        data[: len(found)] = found
        size._obj.value = len(found)
        return self.status

    def data(self, object_id, address):
        assert object_id.value == 1
        assert struct.pack(">I", address._obj.scope) == b"glob"
        ids = getattr(self, NAMES[address._obj.selector])
        return struct.pack(f"={len(ids)}I", *ids)


def test_the_sign_differs_when_a_device_comes_goes_or_becomes_the_default():
    library = FakeCoreAudio()
    sign = device_sign(lambda path: library)
    seen = [sign(), sign()]
    assert seen[0] == seen[1]
    library.devices = [41, 52, 63]
    seen.append(sign())
    library.default = [63]
    seen.append(sign())
    library.devices, library.default = [41, 52], [41]
    seen.append(sign())
    assert len(set(seen)) == 3
    assert seen[-1] == seen[0]


def test_core_audio_is_told_to_notice_changes_without_a_run_loop():
    library = FakeCoreAudio()
    device_sign(lambda path: library)
    assert library.run_loop is None


def test_a_refusal_is_a_sign_too():
    library = FakeCoreAudio()
    sign = device_sign(lambda path: library)
    library.status = 560947818
    assert sign() == (b"", b"")


def test_where_there_is_no_core_audio_there_is_no_sign():
    def load(path):
        raise OSError(path)

    assert device_sign(load) is None
