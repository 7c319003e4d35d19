"""A courtesy to small local models: a tool call written as text.

Models without native tool use answer with one fenced `json` block that holds a name and arguments. Such an answer is
taken for the call it means, and its text is held back from the stream until it is clear what it is. Where the request
forces a tool, the block may follow a sentence or stand without its fence: a call was asked for, and nobody reads the
text.
"""

import re
import uuid
from collections.abc import Collection
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_core import from_json

from orchestrator_client.dialogue.messages import ToolUseBlock

__all__ = ["FenceHold", "fenced_call", "forced_call", "json_object"]

_OPENING: Final = "```json"
_BLOCK: Final = re.compile(r"```json\s*(\{.*\})\s*```", re.DOTALL)
_BLOCK_AFTER_TEXT: Final = re.compile(r"(?:(?!```)[^{])*```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)
# Line feeds inside a JSON string are escaped, so a fence at the start of a line really ends the block.
_TEXT_AFTER_BLOCK: Final = re.compile(r"\n[ \t]*```\s*\S")
_NOT_AN_OBJECT: Final = re.compile(r"```json\s*[^\s{]")
_NAME_KEYS: Final = ("name", "tool", "tool_name", "function")
_ARGUMENT_KEYS: Final = ("arguments", "input", "parameters", "args")
_OBJECT: Final = TypeAdapter(dict[str, Any])


def json_object(value: object) -> dict[str, Any]:
    """A JSON object, also one given as JSON text, or as a JSON string of such text.

    Raises:
        ValueError: it is none.
    """
    for _ in range(2):
        if isinstance(value, str):
            value = from_json(value, allow_inf_nan=False)
    return _OBJECT.validate_python(value)


def fenced_call(text: str, offered: Collection[str]) -> ToolUseBlock | None:
    """The call that `text` means, if it is exactly one fenced block naming an offered tool; its id is minted here."""
    block = _BLOCK.fullmatch(text.strip())
    return _call(block[1], offered) if block else None


def forced_call(text: str, forced: str) -> ToolUseBlock | None:
    """The call of the tool that a request forces, if `text` ends with one block that names it."""
    text = text.strip()
    block = _BLOCK_AFTER_TEXT.fullmatch(text)
    return _call(block[1] if block else text, {forced})


def _call(written: str, offered: Collection[str]) -> ToolUseBlock | None:
    try:
        call = json_object(written)
        if isinstance(call.get("function"), dict):  # the shape of the OpenAI API
            call = _OBJECT.validate_python(call["function"])
        (name,) = (call[key] for key in _NAME_KEYS if key in call)
        (arguments,) = (call[key] for key in _ARGUMENT_KEYS if key in call)
        if not isinstance(name, str) or name not in offered:
            return None
        return ToolUseBlock(id=f"toolu_fenced_{uuid.uuid4().hex}", name=name, input=json_object(arguments))
    except ValueError:  # no JSON, not exactly one name and one key of arguments, or arguments that are no object
        return None


class FenceHold:
    """Keeps streamed text back as long as it may still become a fenced call; with a `forced` tool all of it."""

    def __init__(self, offered: Collection[str], *, forced: bool = False) -> None:
        self._held = ""
        self._forced = forced
        self.holding = bool(offered)

    def push(self, text: str) -> str:
        """Takes a piece of the answer and returns what may be shown now."""
        if not self.holding:
            return text
        self._held += text
        return "" if self._forced or _may_be_a_call(self._held.lstrip()) else self.release()

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
