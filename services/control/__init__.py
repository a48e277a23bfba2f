"""Knows which sessions exist and says which worker does what."""
