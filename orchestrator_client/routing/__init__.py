"""Whom a message is for. `router.py` asks the model to choose one agent; no keyword decides."""
