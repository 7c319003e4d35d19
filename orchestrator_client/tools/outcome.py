"""What became of a tool call, for the model, the person and the log alike."""

import json
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from orchestrator_client.dialogue.messages import ToolResultBlock
from orchestrator_client.tools.connection import RawToolResult

__all__ = ["Advice", "ErrorObject", "ToolFailure", "ToolOutcome", "advice_on", "error_of", "readable"]

Advice = Literal["fix_and_retry", "wait_and_retry", "verify", "give_up"]

_PLAIN = "tool_error"
# Codes whose remedy is another argument. A server that sends plain text most often means the same.
_FIXABLE = frozenset({"validation", "precondition", "not_found", "ambiguous", "conflict", _PLAIN})
_TEXT_LIMIT = 4_000  # characters of a plain-text error that a model gets to read


@dataclass(frozen=True, slots=True)
class ToolFailure:
    """`advice` is what the caller should do now; `alternatives` are values that would work in `field`."""

    code: str
    message: str
    field: str | None = None
    suggestion: str = ""
    alternatives: tuple[str, ...] = ()
    advice: Advice = "give_up"


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """`attempts` counts the tries that reached for the server; 0 means the call was refused here."""

    block: ToolResultBlock
    ok: bool
    error: ToolFailure | None
    replayed: bool
    attempts: int
    read_only: bool
    duration_s: float


class ErrorObject(BaseModel):
    """The error object of the contract; what a server adds to it is kept for the model."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    code: str = _PLAIN
    message: str
    field: str | None = None
    suggestion: str = ""
    alternatives: tuple[str, ...] = ()
    retry_after_s: float | None = None
    retryable: bool = False
    outcome_known: bool = True

    @field_validator("alternatives", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """Alternatives may be records; a model reads them as JSON."""
        if not isinstance(value, list):
            return value
        items = cast("list[object]", value)  # isinstance leaves its type argument unknown
        return tuple(item if isinstance(item, str) else _compact(item) for item in items)

    def as_failure(self, advice: Advice) -> ToolFailure:
        return ToolFailure(self.code, self.message, self.field, self.suggestion, self.alternatives, advice)

    def as_json(self) -> dict[str, Any]:
        """Absent things are left out, as servers do."""
        found = self.model_dump(mode="json")
        return {"error": {name: value for name, value in found.items() if value not in (None, "", [])}}

    def as_block(self, tool_use_id: str) -> ToolResultBlock:
        found = self.as_json()
        return ToolResultBlock(tool_use_id=tool_use_id, content=_compact(found), structured=found, is_error=True)


def error_of(raw: RawToolResult) -> ErrorObject:
    """Read an error result: our error object, as structured content or as text, or whatever text there is."""
    found: Any = raw.structured.get("error") if raw.structured else _error_in(raw.text)  # any JSON value
    if isinstance(found, dict):
        try:
            known = cast("dict[str, object]", found)  # as above
            return ErrorObject.model_validate({name: value for name, value in known.items() if value is not None})
        except ValidationError:
            pass  # another server's idea of an error object: read as text below
    text = raw.text or (_compact(raw.structured) if raw.structured else "The tool failed and did not say why.")
    return ErrorObject(message=text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…")


def advice_on(error: ErrorObject, *, read_only: bool) -> Advice:
    if not (error.outcome_known or read_only):
        return "verify"
    if error.retryable:
        return "wait_and_retry"
    fixable = error.code in _FIXABLE or error.field is not None or error.alternatives
    return "fix_and_retry" if fixable else "give_up"


def readable(raw: RawToolResult) -> str:
    """The text a model reads: the server's own words, or its JSON without the white space."""
    if raw.structured is None:
        return raw.text
    is_json = raw.text.lstrip()[:1] in {"", "{", "["}
    return _compact(raw.structured) if is_json else raw.text


def _error_in(text: str) -> object:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found: Any = json.loads(text)  # any JSON
    except (ValueError, RecursionError):
        return None
    return found.get("error")


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
