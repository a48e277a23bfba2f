from causal.capture.portaudio_ids import JackPort, entries

CARDS = """\
 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0x603d1a0000 irq 146
 1 [Loopback       ]: Loopback - Loopback
                      Loopback 1
"""


def api(name, default=-1):
    return {"name": name, "default_input_device": default, "devices": []}


def device(name, channels=2, hostapi=0):
    return {"name": name, "hostapi": hostapi, "max_input_channels": channels, "default_samplerate": 44_100.0}


def found(devices, apis, **more):
    return [(e.device.id, e.device.kind, e.device.default) for e in entries(devices, apis, 0, **more)]


def test_an_id_is_the_host_api_and_the_name_without_the_number_of_the_card():
    assert found([device("USB Mic: Audio (hw:3,0)")], [api("ALSA")]) == [
        ("portaudio:ALSA/USB Mic: Audio", "input", False)
    ]


def test_devices_of_one_name_get_ids_of_their_own():
    ids = [one[0] for one in found([device("Mic (hw:1,0)"), device("Mic (hw:2,0)")], [api("ALSA")])]
    assert ids == ["portaudio:ALSA/Mic", "portaudio:ALSA/Mic #2"]


def test_what_only_plays_is_not_listed_and_the_index_is_portaudios_own():
    listed = entries([device("Speakers", 0), device("Mic")], [api("ALSA")], 0)
    assert [entry.number for entry in listed] == [1]


def test_the_default_is_portaudios():
    assert [one[2] for one in found([device("a"), device("b")], [api("ALSA", 1)])] == [False, True]


def test_where_jack_runs_its_hardware_is_the_default():
    apis = [api("ALSA", 0), api("JACK Audio Connection Kit", 1)]
    ports = [JackPort("system", "capture_1", True), JackPort("synth", "out", False)]
    devices = [device("default"), device("synth", 2, 1), device("system", 2, 1)]
    assert found(devices, apis, ports=ports) == [
        ("portaudio:ALSA/default", "input", False),
        ("portaudio:JACK Audio Connection Kit/synth", "input", False),
        ("portaudio:JACK Audio Connection Kit/system", "input", True),
    ]


def test_a_monitor_of_jack_is_a_loopback_though_its_ports_are_hardware():
    ports = [JackPort("Speakers", "monitor_FL", True)]
    assert found([device("Speakers")], [api("JACK Audio Connection Kit", 0)], ports=ports) == [
        ("portaudio:JACK Audio Connection Kit/Speakers", "loopback", False)
    ]


def test_what_jack_says_nothing_of_is_no_loopback():
    kinds = [one[1] for one in found([device("new")], [api("JACK Audio Connection Kit")], ports=[])]
    assert kinds == ["input"]


def test_the_kernels_loopback_card_is_a_loopback_and_never_the_default_microphone():
    devices = [device("Loopback: PCM (hw:1,1)"), device("HDA Intel PCH: ALC (hw:0,0)")]
    assert found(devices, [api("ALSA", 0)], cards=CARDS) == [
        ("portaudio:ALSA/Loopback: PCM", "loopback", False),
        ("portaudio:ALSA/HDA Intel PCH: ALC", "input", False),
    ]


def test_on_windows_each_device_is_listed_once():
    apis = [api("MME", 0), api("Windows WASAPI", 1)]
    devices = [device("Mikrofon (USB)"), device("Mikrofon (USB)", 1, 1)]
    assert found(devices, apis) == [("portaudio:Windows WASAPI/Mikrofon (USB)", "input", True)]


def test_the_many_channels_that_plug_ins_make_up_are_two():
    assert [entries([device("x", n)], [api("ALSA")], 0)[0].device.channels for n in (1, 2, 8, 32, 128)] == [
        1, 2, 8, 2, 2,
    ]  # fmt: skip
