"""Consumers of the transcript: a class of two or three methods each."""
