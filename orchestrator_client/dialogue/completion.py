"""When a task is done: the marker an agent ends with, and the evidence that makes it count.

The marker is honoured only as the last line of an assistant message that ended its turn with no tool call pending,
and only if a goal tool of the agent succeeded in this task. In user text, tool results and code blocks it is inert.
A person never sees it, in whatever case a model writes it; only the exact word counts.
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
_ANY_CASE = re.compile(re.escape(MARKER), re.IGNORECASE | re.ASCII)
_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})(?P<rest>.*)")
_CUT_OFF = re.compile(
    rf"(?:{'|'.join(re.escape(MARKER[:length]) for length in range(len(MARKER) - 1, 4, -1))})\Z",
    re.IGNORECASE | re.ASCII,
)


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
    return _CUT_OFF.sub("", _unmarked(text).rstrip()).rstrip()


def evidence_in(messages: Iterable[Message], goals: Collection[str]) -> tuple[Evidence, ...]:
    """Successful calls of goal tools, checked by the executor before they were stored.

    What was there already (`already_exists`, `unchanged`) counts: the goal stands, and the answer shows it. A dry run
    proves nothing, and neither does a write that the server could not confirm.
    """
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
    answer = result.structured or {}
    dry_run = use.input.get("dry_run") or answer.get("dry_run")
    return not (result.is_error or dry_run or answer.get("status") == "unconfirmed")


def _unmarked(text: str) -> str:
    """Without the marker, nor any that comes about by taking one out."""
    found = 1
    while found:
        text, found = _ANY_CASE.subn("", text)
    return text


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


def _may_become_marker(text: str, held: int) -> int:
    """Where the tail begins that is white space and starts of markers only; the first `held` characters are such.

    A start of a marker has its only bracket at its front, so that there is one way to read the tail: from its end.
    """
    end = len(text)
    while end > held:
        start = len(text[:end].rstrip())
        bracket = text.rfind("[", max(0, start - len(MARKER) + 1), start)
        if bracket >= 0 and MARKER.startswith(text[bracket:start].upper()):
            start = bracket
        elif start == end:
            return end
        end = start
    return 0


class MarkerFilter:
    """Lets streamed text through without the marker, however it is split; holds back what could still become it."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """The text that is safe to show now."""
        text = self._held + piece
        held = len(self._held)
        if "]" in piece:  # nothing else completes a marker
            text, held = _unmarked(text), 0
        safe = _may_become_marker(text, held)
        self._held = text[safe:]
        return text[:safe]

    def flush(self) -> str:
        """What was held back, once the message has ended; white space at the end is dropped."""
        rest, self._held = without_marker(self._held), ""
        return rest
