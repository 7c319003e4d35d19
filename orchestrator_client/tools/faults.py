"""The one place where what the SDK raises becomes an error of ours."""

from typing import cast

from jsonschema import ValidationError as SchemaMismatch
from mcp import MCPError
from mcp.types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
)
from pydantic import ValidationError

from orchestrator_client.errors import OutcomeUnknown, ToolCallError, ToolResultInvalid, ToolServerUnavailable
from orchestrator_client.tools.transport import WireFault
from orchestrator_client.tools.validation import problem_of

__all__ = ["SDK_ERRORS", "session_is_forgotten", "tool_error"]

# What the SDK's client raises to its caller. ValueError is pydantic's, OSError includes TimeoutError.
SDK_ERRORS = (MCPError, RuntimeError, ValueError, OSError, ExceptionGroup)

_TEXT_LIMIT = 300  # characters of a foreign message that we repeat

_LOST = "The call was sent but no answer came; it may have been carried out."
_CHECK = "Check with a read before trying again."
_WAIT = "Try again in a moment."


def tool_error(error: BaseException, *, sent: bool) -> ToolCallError:
    """Class a failure by what is known of the call; `sent` says whether a tool call had left."""
    leaf = _leaf(error)
    if isinstance(leaf, ToolCallError):
        return leaf
    found = _from_protocol(leaf) if isinstance(leaf, MCPError) else _from_python(leaf)
    if isinstance(found, OutcomeUnknown) and not sent:
        reason = f": {_clip(leaf)}" if isinstance(leaf, MCPError) else " in time."
        return ToolServerUnavailable(f"The tool server did not answer{reason}", suggestion=_WAIT)
    return found


def session_is_forgotten(error: BaseException) -> bool:
    """A restarted server of before 2026 refuses the session of its predecessor, for ever."""
    leaf = _leaf(error)
    return isinstance(leaf, MCPError) and leaf.code == INVALID_REQUEST and "session" in leaf.message.lower()


def _leaf(error: BaseException) -> BaseException:
    """The first real error in a tree of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]  # its type argument is erased
    return error


def _from_python(error: BaseException) -> ToolCallError:
    if isinstance(error, TimeoutError):
        return OutcomeUnknown(_LOST, suggestion=_CHECK)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return ToolServerUnavailable(
            f"The tool server could not be started: {reason}.", suggestion="Check its command."
        )
    if isinstance(error, ValidationError):
        return _invalid("it does not follow the protocol")
    if isinstance(error, RuntimeError):
        return _invalid(_reason(error))
    return OutcomeUnknown(_LOST, suggestion=_CHECK)


def _reason(error: RuntimeError) -> str:
    """The SDK's own check of a result raises RuntimeError; its message repeats the whole result, its cause does not."""
    cause = error.__cause__
    return str(problem_of(cause)) if isinstance(cause, SchemaMismatch) else "it does not fit its published schema"


def _invalid(reason: str) -> ToolResultInvalid:
    return ToolResultInvalid(
        f"The tool's answer cannot be used: {reason}.", suggestion="Report this to whoever runs the tool server."
    )


def _from_protocol(error: MCPError) -> ToolCallError:
    fault = _wire_fault(error)
    if fault is not None:
        return _from_wire(error, fault)
    if session_is_forgotten(error):
        return ToolServerUnavailable("The tool server has forgotten this session.", suggestion=_WAIT)
    if error.code in {CONNECTION_CLOSED, REQUEST_TIMEOUT}:
        return OutcomeUnknown(_LOST, suggestion=_CHECK)
    if error.code == INTERNAL_ERROR:
        return OutcomeUnknown("The tool server failed inside; the call may have been carried out.", suggestion=_CHECK)
    if error.code == PARSE_ERROR:
        return _invalid("it is not JSON")
    if error.code == INVALID_PARAMS:
        return ToolCallError(f"The tool server refused the call: {_clip(error)}", suggestion="List its tools again.")
    return ToolCallError(f"The tool server refused the call: {_clip(error)}", suggestion="Check what it supports.")


def _from_wire(error: MCPError, fault: WireFault) -> ToolCallError:
    if fault.outcome == "unknown":
        return OutcomeUnknown(_LOST, suggestion=_CHECK)
    if fault.outcome == "refused":
        return ToolCallError(error.message, suggestion="Check the address and the access token of the tool server.")
    if fault.retry_after_s is not None:
        return ToolServerUnavailable(error.message, suggestion=_WAIT, retry_after_s=fault.retry_after_s)
    return ToolServerUnavailable(f"The tool server could not be reached. {error.message}", suggestion=_WAIT)


def _wire_fault(error: MCPError) -> WireFault | None:
    if error.code != CONNECTION_CLOSED or error.data is None:
        return None
    try:
        return WireFault.model_validate(error.data)
    except ValidationError:
        return None


def _clip(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…"
