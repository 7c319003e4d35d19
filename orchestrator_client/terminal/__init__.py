"""The conversation in a terminal: `repl.py` reads and runs, `view.py` shows a turn, `tables.py` its data."""
