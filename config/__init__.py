"""Defaults that ship with Causal."""
