"""Turns what devices deliver into 16 kHz mono chunks, and keeps them in the journal."""
