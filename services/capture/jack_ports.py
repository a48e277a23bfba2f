"""The ports of a JACK server, asked of libjack: PortAudio does not tell what a device of JACK's is."""

from __future__ import annotations

import ctypes

from .portaudio_ids import JackPort

IS_OUTPUT, IS_PHYSICAL = 0x2, 0x4
NO_START_SERVER = 0x01


def outputs() -> list[JackPort]:
    """All that samples come from; empty when no server answers."""
    try:
        jack = ctypes.CDLL("libjack.so.0")
    except OSError:
        return []
    jack.jack_client_open.restype = ctypes.c_void_p
    jack.jack_client_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
    client = jack.jack_client_open(b"causal-look", NO_START_SERVER, None)
    if not client:
        return []
    try:
        return _outputs(jack, ctypes.c_void_p(client))
    finally:
        jack.jack_client_close(ctypes.c_void_p(client))


def _outputs(jack: ctypes.CDLL, client: ctypes.c_void_p) -> list[JackPort]:
    names = ctypes.POINTER(ctypes.c_char_p)
    jack.jack_get_ports.restype = names
    jack.jack_get_ports.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong]
    jack.jack_port_by_name.restype = ctypes.c_void_p
    jack.jack_port_by_name.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    jack.jack_port_flags.argtypes = [ctypes.c_void_p]
    jack.jack_free.argtypes = [ctypes.c_void_p]
    listed = jack.jack_get_ports(client, None, b"audio", IS_OUTPUT)
    found = []
    at = 0
    while listed and (full := listed[at]) is not None:
        owner, _, name = full.decode(errors="replace").rpartition(":")
        flags = jack.jack_port_flags(jack.jack_port_by_name(client, full))
        found.append(JackPort(owner, name, bool(flags & IS_PHYSICAL)))
        at += 1
    if listed:
        jack.jack_free(listed)
    return found
