"""Fakes, test servers and private sound servers, for us and for authors of sources and sinks."""
