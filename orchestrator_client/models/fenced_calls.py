"""A courtesy to small local models: a tool call written as text.

Models without native tool use answer with one fenced `json` block that holds a name and arguments. Such an answer is
taken for the call it means, and its text is held back from the stream until it is clear what it is.
"""

import re
import uuid
from collections.abc import Collection
from typing import Final

from pydantic_core import from_json

from orchestrator_client.dialogue.messages import ToolUseBlock

__all__ = ["FenceHold", "fenced_call"]

_OPENING: Final = "```json"
_BLOCK: Final = re.compile(r"```json\s*(\{.*\})\s*```", re.DOTALL)
# Line feeds inside a JSON string are escaped, so a fence at the start of a line really ends the block.
_TEXT_AFTER_BLOCK: Final = re.compile(r"\n[ \t]*```\s*\S")
_NOT_AN_OBJECT: Final = re.compile(r"```json\s*[^\s{]")
_ARGUMENT_KEYS: Final = ("arguments", "input", "parameters")


def fenced_call(text: str, offered: Collection[str]) -> ToolUseBlock | None:
    """The call that `text` means, if it is exactly one fenced block naming an offered tool; its id is minted here."""
    block = _BLOCK.fullmatch(text.strip())
    if block is None:
        return None
    try:
        call = from_json(block[1], allow_inf_nan=False)
        (arguments,) = (call[key] for key in _ARGUMENT_KEYS if key in call)
        name = call.get("name")
        if not isinstance(name, str) or name not in offered:
            return None
        return ToolUseBlock(id=f"toolu_fenced_{uuid.uuid4().hex}", name=name, input=arguments)
    except ValueError:  # no JSON, not exactly one key of arguments, or arguments that are no object
        return None


class FenceHold:
    """Keeps streamed text back as long as it may still become a fenced call."""

    def __init__(self, offered: Collection[str]) -> None:
        self._held = ""
        self.holding = bool(offered)

    def push(self, text: str) -> str:
        """Takes a piece of the answer and returns what may be shown now."""
        if not self.holding:
            return text
        self._held += text
        return "" if _may_be_a_call(self._held.lstrip()) else self.release()

    def release(self) -> str:
        """Ends the holding and returns what was held."""
        self.holding = False
        text, self._held = self._held, ""
        return text


def _may_be_a_call(text: str) -> bool:
    if len(text) < len(_OPENING):
        return _OPENING.startswith(text)
    if not text.startswith(_OPENING):
        return False
    return _NOT_AN_OBJECT.match(text) is None and _TEXT_AFTER_BLOCK.search(text) is None
