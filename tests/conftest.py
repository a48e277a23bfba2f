"""For all tests."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # how long an example takes says something about the machine
settings.load_profile("unhurried")
