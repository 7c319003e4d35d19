"""The session store: every conversation, so that leaving, a crash or another process loses nothing.

`store` is what others use; `tables`, `queries` and `writes` are its SQL, `upgrade` brings older files up to date, and
`export` writes a whole session for others to read.
"""
