"""What the orchestrator itself says to the person, besides its questions."""

from collections.abc import Sequence
from typing import assert_never

from orchestrator_client.agents.registry import Agent
from orchestrator_client.dialogue.choices import quoted
from orchestrator_client.dialogue.completion import Evidence
from orchestrator_client.dialogue.effects import Effects
from orchestrator_client.dialogue.moves import Tell
from orchestrator_client.dialogue.state import MOST_PARKED
from orchestrator_client.errors import ClientError, ModelError, ToolCallError

__all__ = [
    "CRASHED",
    "PICK_ONE",
    "back_at",
    "cancelled",
    "cannot",
    "confirmed",
    "done",
    "failed",
    "gone",
    "now_serving",
    "unfinished",
]

PICK_ONE = "That is none of the answers. Please give the number of one."
CRASHED = "Something went wrong inside Shopfloor. Nothing was lost; send your message again. The log has the details."


def confirmed(tell: Tell) -> str:
    match tell.what:
        case "kept":
            return f"Kept for right after this task: {quoted(tell.text)}."
        case "dropped":
            return f"Dropped: {quoted(tell.text)}."
        case "parked":
            return f"Put aside: {quoted(tell.text)}. /back returns to it."
        case "waits":
            return "It waits. /tasks lists what is open, /back returns to it."
        case "they_wait":
            return "They wait. /tasks lists what is open, /back returns to the latest."
        case "nothing_to_cancel":
            return "There is no task to cancel."
        case "too_many_parked":
            return f"{MOST_PARKED} tasks wait already. Finish or cancel this one first, or /back to one of them."
        case _:
            assert_never(tell.what)


def cancelled(title: str, effects: Effects) -> str:
    return f"{title}: cancelled. {str(effects) or 'Nothing had been stored.'}"


def now_serving(text: str) -> str:
    return f"Now to your request: {quoted(text)}"


def back_at(opening: str, title: str) -> str:
    return f"Back at {quoted(opening)} ({title})."


def gone(agent: str) -> str:
    """The session is older than the agent definitions."""
    return f"Your task belonged to the agent {agent}, which is not there any more, so it was ended. Say it again."


def cannot(agent: Agent, server: str) -> str:
    missing = ", ".join(goal.tool for goal in agent.goals)
    return (
        f"This is for {agent.title}, but the connected tool server ({server}) offers none of the tools it needs "
        f"({missing}). Nothing was done. Connect a server that has them with --server."
    )


def done(evidence: Sequence[Evidence]) -> str:
    """For an agent that ended its task without a word."""
    return f"Done: {', '.join(dict.fromkeys(item.tool for item in evidence))}."


def unfinished(agent: Agent, reason: str, effects: Effects) -> str:
    said = (f"{agent.title} ended without reaching its goal: {reason}", str(effects))
    return " ".join(filter(None, (*said, "Say it again, perhaps in smaller steps.")))


def failed(error: ClientError, *, task_open: bool, heard: bool, kept: bool) -> str:
    """`heard`: the message stands in the log already. `kept`: a request waits that could not be taken up."""
    match error:
        case ModelError():
            what = f"The language model could not be used: {error}"
        case ToolCallError():
            what = f"The tool server could not be used: {error}"
        case _:
            what = str(error)
    if task_open:
        again = "say continue" if heard else "send your message again"
        return f"{what} Your task is still open; {again} to go on."
    return f"{what} Your request is kept; say continue to try it again." if kept else f"{what} No task was begun."
