"""Whom a message is for. `router.py` asks the model to choose one agent, `topic.py` whether a message leaves the task
under way; `asking.py` holds what both ask and read alike. No keyword decides, and no failure of a model raises.
"""
