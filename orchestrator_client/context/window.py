"""The view of a task's history that goes to the model. The log itself is never changed."""

from collections.abc import Iterable, Sequence

from orchestrator_client.dialogue.messages import Message

__all__ = ["turns_of", "window"]


def window(messages: Sequence[Message], *, most_turns: int) -> tuple[Message, ...]:
    """The first turn, which opened the task, and the newest turns, `most_turns` in all.

    A turn is a message of the person and everything up to the next one, so a tool call is never parted from its
    result.
    """
    turns = turns_of(messages)
    kept = turns if len(turns) <= most_turns else [turns[0], *turns[len(turns) - most_turns + 1 :]]
    return tuple(message for turn in kept for message in turn)


def turns_of(messages: Iterable[Message]) -> list[list[Message]]:
    """Messages grouped into turns. A message that only carries tool results belongs to the turn that asked for them."""
    turns: list[list[Message]] = []
    for message in messages:
        opens = message.role == "user" and not message.tool_results
        if opens and not (turns and all(m.role == "user" for m in turns[-1])):
            turns.append([])
        if not turns:
            turns.append([])
        turns[-1].append(message)
    return turns
