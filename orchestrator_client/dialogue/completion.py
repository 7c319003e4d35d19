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
_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})(?P<rest>.*)")
_STARTS = "|".join(re.escape(MARKER[:length]) for length in range(len(MARKER) - 1, 0, -1))
_MAY_BECOME_MARKER = re.compile(rf"(?:\s|{_STARTS})+\Z")
_CUT_OFF = re.compile(rf"(?:{'|'.join(re.escape(MARKER[:length]) for length in range(len(MARKER) - 1, 4, -1))})\Z")


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
    return bool(lines) and lines[-1].strip() == MARKER and not _in_code(lines[:-1])


def without_marker(text: str) -> str:
    """The text as a person may see it: no marker, none that comes about by taking one out, none cut off at the end."""
    while MARKER in text:
        text = text.replace(MARKER, "")
    return _CUT_OFF.sub("", text.rstrip()).rstrip()


def evidence_in(messages: Iterable[Message], goals: Collection[str]) -> tuple[Evidence, ...]:
    """Successful calls of goal tools; a dry run proves nothing."""
    uses: dict[str, ToolUseBlock] = {}
    found: list[Evidence] = []
    for message in messages:
        uses |= {use.id: use for use in message.tool_uses}
        for result in message.tool_results:
            use = uses.get(result.tool_use_id)
            if use is not None and use.name in goals and _counts(use, result):
                found.append(Evidence(use.name, use.input, result.structured or {}))
    return tuple(found)


def judge(message: Message, evidence: Collection[Evidence]) -> Verdict:
    """The verdict on an assistant message that ended its turn."""
    if message.tool_uses or not claims_completion(message.text):
        return Verdict.WAITING
    return Verdict.COMPLETED if evidence else Verdict.REFUSED


def _counts(use: ToolUseBlock, result: ToolResultBlock) -> bool:
    dry_run = use.input.get("dry_run") or (result.structured or {}).get("dry_run")
    return not result.is_error and not dry_run


def _in_code(lines: Iterable[str]) -> bool:
    """Whether a code block is open after these lines (CommonMark 4.5)."""
    fence = ""
    for line in lines:
        match = _FENCE.match(line)
        if match is None:
            continue
        mark, rest = match["mark"], match["rest"]
        if not fence:
            fence = "" if mark[0] == "`" and "`" in rest else mark
        elif mark.startswith(fence) and not rest.strip():
            fence = ""
    return bool(fence)


class MarkerFilter:
    """Lets streamed text through without the marker, however it is split; holds back what could still become it."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """The text that is safe to show now."""
        text = self._held + piece
        while MARKER in text:
            text = text.replace(MARKER, "")
        tail = _MAY_BECOME_MARKER.search(text)
        self._held = tail.group() if tail else ""
        return text[: len(text) - len(self._held)]

    def flush(self) -> str:
        """What was held back, once the message has ended; white space at the end is dropped."""
        rest, self._held = without_marker(self._held), ""
        return rest
