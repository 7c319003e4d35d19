"""What the calls of a task have answered, and which of those answers still hold.

An identical call is answered from here as long as the person has not spoken again: whoever repeats it then has learnt
nothing new. After their next message it goes to the server, for the plant may have changed and a second effect may be
what they want. Three rules keep a repeated write from hiding or doubling an effect:

* What was read before a write is forgotten with it, and so is an update: set, reset and set again are three effects.
  What a write has made is kept, so that a model going in circles makes it once.
* A failure that may pass, or whose outcome nobody knows, is never given as an answer again.
* A write of unknown outcome keeps its key for as long as that is so: made again, it has one effect in all. Where the
  server honors no keys, something has to be looked up first, or the person has to speak.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Self

from orchestrator_client.dialogue.json_values import as_object
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock

__all__ = ["TaskRecord", "signature"]

_UPDATES = frozenset({"updated", "unchanged"})
_PLAIN = "tool_error"  # a server's plain text, which does not say whether trying again helps


class TaskRecord:
    """Built from a task's messages, then kept up with `add`. `reads` names the tools that change nothing."""

    def __init__(self, reads: Collection[str]) -> None:
        self._reads = reads
        self._answers: dict[str, ToolResultBlock] = {}
        self._made: set[str] = set()
        self._doubtful: dict[str, str] = {}
        self._unchecked: set[str] = set()

    @classmethod
    def of(cls, messages: Sequence[Message], reads: Collection[str]) -> Self:
        record = cls(reads)
        for said, answered in zip(messages, (*messages[1:], None), strict=True):
            if said.kind == "person":
                record._person_spoke()
            results = {result.tool_use_id: result for result in (answered.tool_results if answered else ())}
            record._add_all((use, results[use.id]) for use in said.tool_uses if use.id in results)
        return record

    def answer(self, use: ToolUseBlock) -> ToolResultBlock | None:
        """The answer of an identical call that still holds, as the answer to this one."""
        found = self._answers.get(signature(use))
        return None if found is None else found.model_copy(update={"tool_use_id": use.id})

    def keyed_as(self, use: ToolUseBlock) -> str:
        """The id that this write's key is made of: that of the first identical one, if its outcome is unknown."""
        return self._doubtful.get(signature(use), use.id)

    def unchecked(self, use: ToolUseBlock) -> bool:
        """Whether the outcome of this very write is unknown, and nothing has been looked up since."""
        return signature(use) in self._unchecked

    def add(self, use: ToolUseBlock, result: ToolResultBlock) -> None:
        """Take up an answer, or the same one again."""
        call = signature(use)
        if call in self._answers:
            return
        error = as_object(as_object(result.structured).get("error")) if result.is_error else None
        if use.name in self._reads:
            if error is None:
                self._unchecked.clear()
        elif not _dry_run(use, result):
            self._written(call, use, result, error)
        if error is None or not (_may_pass(error) or _unknown(error)):
            self._answers[call] = result

    def _written(self, call: str, use: ToolUseBlock, result: ToolResultBlock, error: dict[str, object] | None) -> None:
        self._answers = {made: self._answers[made] for made in self._made}
        if error is not None and _unknown(error):
            self._doubtful.setdefault(call, use.id)
            self._unchecked.add(call)
        if error is None:
            self._doubtful.pop(call, None)
            self._unchecked.discard(call)
            if as_object(result.structured).get("status") not in _UPDATES:
                self._made.add(call)

    def _person_spoke(self) -> None:
        self._answers.clear()
        self._made.clear()
        self._unchecked.clear()

    def _add_all(self, pairs: Iterable[tuple[ToolUseBlock, ToolResultBlock]]) -> None:
        for use, result in pairs:
            self.add(use, result)


def signature(use: ToolUseBlock) -> str:
    """What makes two calls identical."""
    return f"{use.name} {json.dumps(use.input, sort_keys=True)}"


def _dry_run(use: ToolUseBlock, result: ToolResultBlock) -> bool:
    return bool(use.input.get("dry_run") or as_object(result.structured).get("dry_run"))


def _may_pass(error: dict[str, object]) -> bool:
    return error.get("retryable") is True or error.get("code", _PLAIN) == _PLAIN


def _unknown(error: dict[str, object]) -> bool:
    return error.get("outcome_known") is False
