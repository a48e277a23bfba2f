"""Carries chunks to the speech service and brings turns back."""
