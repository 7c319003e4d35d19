"""What an agent may see: the plant data its task needs, and the part of the task's history that fits.

`task_context.py` loads an agent's declared needs into bounded blocks, `history/` decides what of a long task is shown,
and `fencing.py` shows a model where a tool's data begins and ends.
"""
