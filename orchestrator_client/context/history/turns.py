"""A task's messages as whole turns, so that nothing that belongs together is ever parted."""

from collections.abc import Iterable, Sequence

from orchestrator_client.dialogue.confirmation import demanded
from orchestrator_client.dialogue.messages import Message

__all__ = ["floor_of", "lead_of", "opening_of", "turns_of"]

_NEWEST_MESSAGES = 5
"""What is kept whatever happens, if it fits: a call, its result, the question that came of it, and the answer."""


def turns_of(messages: Iterable[Message]) -> list[list[Message]]:
    """Messages grouped into turns: a person's message and everything up to the next one.

    Context and notes right before a person's message belong to its turn, those after it to the turn they stand in. Of
    messages that got no answer and the next one, one turn is made; so it is of a demand of the server and the answer to
    it, for the call that follows needs both.
    """
    turns: list[list[Message]] = []
    waiting: list[Message] = []
    for message in messages:
        if message.kind not in {"agent", "tools"}:
            waiting.append(message)
            continue
        _place(turns, waiting)
        turns[-1].append(message)
        waiting = []
    if waiting:
        _place(turns, waiting)
    return turns


def _place(turns: list[list[Message]], waiting: list[Message]) -> None:
    """Put what was said in the user's role where it belongs; afterwards there is a turn."""
    begins = any(message.kind == "person" for message in waiting) and not (turns and _awaits_agreement(turns[-1]))
    if not turns or begins:
        turns.append(waiting)
    else:
        turns[-1].extend(waiting)


def _awaits_agreement(turn: Sequence[Message]) -> bool:
    demand = demanded(turn[:-1])
    return demand is not None and turn[-1].text == demand.question


def lead_of(messages: Sequence[Message]) -> int:
    """How many messages stand before the one that opened the task: the context it started with.

    Older stores do not tell context from a person's words; in them, the first of several messages is the context.
    """
    count = 0
    while count < len(messages) and messages[count].kind in {"context", "note"}:
        count += 1
    unmarked = count == 0 and [message.kind for message in messages[:2]] == ["person", "person"]
    return 1 if unmarked else count


def opening_of(messages: Sequence[Message]) -> str:
    """The message that opened the task; empty if there is none."""
    return next((message.text for message in messages[lead_of(messages) :] if message.kind == "person"), "")


def floor_of(turns: Sequence[Sequence[Message]]) -> int:
    """The number of the turn from which on all should stay: they hold the newest messages, one of them the agent's.

    A model may keep its memory in its last message.
    """
    count, agent = 0, False
    for number in range(len(turns) - 1, -1, -1):
        count += len(turns[number])
        agent = agent or any(message.role == "assistant" for message in turns[number])
        if agent and count >= _NEWEST_MESSAGES:
            return number
    return 0
