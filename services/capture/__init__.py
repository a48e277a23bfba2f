"""Opens devices and passes on what they deliver, stamped with its time.

the way of a block    backend ─▶ intake ─▶ ring ─▶ sender ─▶ outlet; hub and line say who hears which device
what is decided       listing, aliases, choice, watch, condition, level, portion, parting, sample_clock, drift, silence
Linux                 pulse*, libpulse; portaudio* and jack_ports without a sound server
Windows               wasapi*, endpoints, silence
macOS                 tap*, sample_buffer, core_audio; portaudio* for microphones
anywhere              file; soundcard* as a last resort
libraries that hang   driver_*, tail: a process that can be thrown away; gate, polled_devices for lists and threads
"""
