"""The session store: every conversation, so that leaving, a crash or another process loses nothing."""
