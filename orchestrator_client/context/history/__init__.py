"""The part of a task's history that an agent sees, and what stands for the rest. The log itself is never changed.

`turns.py` cuts the log into whole turns; `policy.py` decides how many leave the window; `ledger.py` finds what must not
be lost of them, `facts.py` says what data are, `condense.py` puts the ledger into few words; `summarizer.py` has a
model sum up the rest; `results.py` clears large tool results; `view.py` builds the window. `windowing.py` does it all
for one request, and is where to start reading.
"""

from orchestrator_client.context.history.policy import (
    FixedWindow,
    Policy,
    PolicyName,
    TokenAware,
    WholeTask,
    policy_named,
)
from orchestrator_client.context.history.summarizer import Summarizer
from orchestrator_client.context.history.turns import turns_of
from orchestrator_client.context.history.view import view
from orchestrator_client.context.history.windowing import Fitted, Windowing

__all__ = [
    "Fitted",
    "FixedWindow",
    "Policy",
    "PolicyName",
    "Summarizer",
    "TokenAware",
    "WholeTask",
    "Windowing",
    "policy_named",
    "turns_of",
    "view",
]
