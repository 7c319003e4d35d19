"""What an agent may see: the plant data its task needs, and the part of the task's history that fits.

`task_context.py` loads an agent's declared needs into bounded blocks; `window.py` is the view over the history.
"""
