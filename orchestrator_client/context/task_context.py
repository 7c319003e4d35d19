"""The plant data a task starts with: an agent's declared needs, each a bounded block that says what it leaves out."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from orchestrator_client.dialogue.completion import without_marker
from orchestrator_client.dialogue.json_values import as_list, is_list, is_object
from orchestrator_client.dialogue.messages import Message, ToolUseBlock
from orchestrator_client.dialogue.state import HandOff, Talk
from orchestrator_client.tools.outcome import ToolOutcome

__all__ = ["Need", "filled_in", "handed_over", "just_said", "load_task_context", "references", "talk_of"]

_MOST_ITEMS = 40
_MOST_CHARACTERS = 6_000
_MOST_TALK = 500


class Need(Protocol):
    """One thing an agent wants to know when its task starts."""

    @property
    def title(self) -> str: ...
    @property
    def tool(self) -> str: ...
    @property
    def arguments(self) -> Mapping[str, Any]: ...
    @property
    def fields(self) -> tuple[str, ...]: ...


class Runs(Protocol):
    """Whoever can run a read-only tool call."""

    async def __call__(self, use: ToolUseBlock) -> ToolOutcome: ...


async def load_task_context(needs: Iterable[Need], known: Mapping[str, Any], run: Runs) -> str:
    """The blocks as one text, or an empty one.

    A need that refers to something unknown (`$project` before there is a project) is skipped: the agent asks first. A
    call that fails is named, so that the agent does not take silence for "there is none".
    """
    blocks: list[str] = []
    for position, need in enumerate(needs, start=1):
        arguments = filled_in(need.arguments, known)
        if arguments is None:
            continue
        outcome = await run(ToolUseBlock(id=f"context_{position}", name=need.tool, input=arguments))
        blocks.append(_block(need, outcome))
    return "\n\n".join(blocks)


def handed_over(hand_off: HandOff) -> str:
    """What a task is told of the one before it; all of it data, none of it the former conversation."""
    lines = ["## Finished before this task (for reference)", hand_off.goal]
    if hand_off.facts:
        lines.append(f"Facts: {json.dumps(hand_off.facts, ensure_ascii=False)}")
    if hand_off.references:
        lines.append(f"Records: {'; '.join(hand_off.references)}")
    return "\n".join(lines)


def talk_of(messages: Sequence[Message]) -> Talk | None:
    """Small talk in short: the person's last words and the answer to them."""
    said = [message.text for message in messages if message.kind == "person"]
    if not said or messages[-1].kind != "agent":
        return None
    return Talk(said=said[-1][:_MOST_TALK], answered=without_marker(messages[-1].text)[:_MOST_TALK])


def just_said(talk: Talk) -> str:
    """What an agent is told of the small talk before its message, which may be an answer to it."""
    exchange = json.dumps({"user": talk.said, "assistant": talk.answered}, ensure_ascii=False)
    return f"## Just before this message (for reference)\n{exchange}"


def filled_in(arguments: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Arguments with every `$name` replaced by what is known; None if something is not known yet."""
    if any(known.get(name) is None for name in references(arguments)):
        return None
    return {name: _filled(value, known) for name, value in arguments.items()}


def references(arguments: Mapping[str, Any]) -> set[str]:
    """The names that stand as `$name` in the arguments, or in a list among them."""
    values = [part for value in arguments.values() for part in (value if is_list(value) else [value])]
    return {value[1:] for value in values if isinstance(value, str) and value.startswith("$")}


def _filled(value: Any, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON of any shape
    if is_list(value):
        return [_filled(part, known) for part in value]
    return known[value[1:]] if isinstance(value, str) and value.startswith("$") else value


def _block(need: Need, outcome: ToolOutcome) -> str:
    if not outcome.ok:
        reason = outcome.error.message if outcome.error else "no reason given"
        return f"## {need.title}\nCould not be loaded ({reason}). Use {need.tool} if you need them."
    structured = outcome.block.structured or {}
    if "items" not in structured:
        return f"## {need.title}\n{_bounded(outcome.block.content, need.tool)}"
    items = as_list(structured["items"])
    lines, used = list[str](), 0
    for item in items[:_MOST_ITEMS]:
        line = _line(item, need.fields)
        used += len(line)
        if used > _MOST_CHARACTERS:
            break
        lines.append(line)
    stated = structured.get("total")
    total = max(len(items), stated) if isinstance(stated, int) else len(items)
    head = f"## {need.title} ({len(lines)} of {total})"
    rest = f"{total - len(lines)} more are left out; {need.tool} finds them."
    return "\n".join([head, *lines, *([rest] if total > len(lines) else ())])


def _bounded(text: str, tool: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[:_MOST_CHARACTERS]}\nThe rest is left out; {tool} has it."


def _line(item: Any, fields: tuple[str, ...]) -> str:  # noqa: ANN401 - JSON of any shape
    shown = item
    if is_object(item):
        shown = {name: item[name] for name in fields or item if item.get(name) not in (None, "", [])}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
