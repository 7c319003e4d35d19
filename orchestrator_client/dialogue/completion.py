"""When a task is done: the marker an agent ends with, and the evidence that makes it count.

The marker is honoured only as the last line of an assistant message that ended its turn with no tool call pending,
and only if a goal tool of the agent succeeded in this task. In user text, tool results and code blocks it is inert.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock

__all__ = [
    "MARKER",
    "Evidence",
    "MarkerFilter",
    "Verdict",
    "claims_completion",
    "evidence_in",
    "judge",
    "without_marker",
]

MARKER = "[TASK_COMPLETE]"
_FENCE = re.compile(r"^\s*(```|~~~)")


class Verdict(StrEnum):
    """What an ended assistant message means for the task."""

    WAITING = "waiting"
    COMPLETED = "completed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A goal tool's checked success: the call, its arguments, its structured answer."""

    tool: str
    arguments: dict[str, object]
    answer: dict[str, object]


def claims_completion(text: str) -> bool:
    """Whether the marker stands alone on the last line, outside any code block."""
    lines = text.rstrip().splitlines()
    if not lines or lines[-1].strip() != MARKER:
        return False
    fences = sum(1 for line in lines[:-1] if _FENCE.match(line))
    return fences % 2 == 0


def without_marker(text: str) -> str:
    """The text as a person may see it."""
    return text.replace(MARKER, "").rstrip()


def evidence_in(messages: Iterable[Message], goals: Collection[str]) -> tuple[Evidence, ...]:
    """Successful calls of goal tools; a dry run proves nothing."""
    uses: dict[str, ToolUseBlock] = {}
    found: list[Evidence] = []
    for message in messages:
        uses |= {use.id: use for use in message.tool_uses}
        for result in message.tool_results:
            use = uses.get(result.tool_use_id)
            if use is not None and use.name in goals and _counts(result):
                found.append(Evidence(use.name, use.input, result.structured or {}))
    return tuple(found)


def judge(message: Message, evidence: Collection[Evidence]) -> Verdict:
    """The verdict on an assistant message that ended its turn."""
    if message.tool_uses or not claims_completion(message.text):
        return Verdict.WAITING
    return Verdict.COMPLETED if evidence else Verdict.REFUSED


def _counts(result: ToolResultBlock) -> bool:
    return not result.is_error and not (result.structured or {}).get("dry_run", False)


class MarkerFilter:
    """Lets streamed text through without the marker, however it is split; holds back what could still become it."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """The text that is safe to show now."""
        text = (self._held + piece).replace(MARKER, "")
        keep = _possible_start(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back, once the message has ended; white space at the end is dropped."""
        rest, self._held = self._held.rstrip(), ""
        return rest


def _possible_start(text: str) -> int:
    """Length of the tail that may be the beginning of the marker, with the white space before it."""
    tail = next((n for n in range(len(MARKER) - 1, 0, -1) if text.endswith(MARKER[:n])), 0)
    before = text[: len(text) - tail]
    return tail + len(before) - len(before.rstrip())
