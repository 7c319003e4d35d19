"""What the tool calls of a task have changed, as far as the conversation tells; said when a task ends unfinished."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from orchestrator_client.dialogue.json_values import as_object
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock

__all__ = ["Effects", "effects_in"]


@dataclass(frozen=True, slots=True)
class Effects:
    """`stored` are the records that writes have made, as `tool: id`; `unsure` the writes nobody saw the end of."""

    stored: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()

    def __str__(self) -> str:
        said: list[str] = []
        if self.stored:
            said.append(f"Already stored, and kept: {', '.join(self.stored)}.")
        if self.unsure:
            said.append(f"It is not known whether this was carried out; look it up: {', '.join(self.unsure)}.")
        return " ".join(said)


def effects_in(messages: Iterable[Message], *, read_only: Collection[str] | None) -> Effects:
    """The effects of the calls in a task's messages. `read_only` names the tools that change nothing.

    None means that the tools are not known: then only an answer with a record counts as a write's.
    """
    uses: dict[str, ToolUseBlock] = {}
    results: dict[str, ToolResultBlock] = {}
    for message in messages:
        uses |= {use.id: use for use in message.tool_uses}
        results |= {result.tool_use_id: result for result in message.tool_results}
    stored: list[str] = []
    unsure: list[str] = []
    for use in uses.values():
        result = results.get(use.id)
        answer = as_object(result.structured) if result else {}
        if use.name in (read_only or ()) or use.input.get("dry_run") or answer.get("dry_run"):
            continue
        if result is None or as_object(answer.get("error")).get("outcome_known") is False:
            unsure.append(use.name)
        elif not result.is_error and _made_something(answer, known=read_only is not None):
            stored.append(f"{use.name}: {as_object(answer.get('record')).get('id', 'done')}")
    return Effects(tuple(dict.fromkeys(stored)), tuple(dict.fromkeys(unsure)))


def _made_something(answer: dict[str, object], *, known: bool) -> bool:
    return answer.get("status") != "already_exists" and (known or "record" in answer)
