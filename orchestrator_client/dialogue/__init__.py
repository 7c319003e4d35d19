"""The pure part of a conversation: what a message is, what state a session is in, when a task is complete.

No I/O and no imports from the rest of the client: every other package may build on this one.
"""
