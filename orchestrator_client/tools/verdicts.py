"""Judges one try of a call: what went wrong, whether repeating it is safe, and what to advise when no try is left."""

import difflib
import random
from dataclasses import dataclass

import anyio

from orchestrator_client.dialogue.messages import ToolUseBlock
from orchestrator_client.errors import OutcomeUnknown, ToolCallError, ToolResultInvalid, ToolServerUnavailable
from orchestrator_client.tools.catalog import ToolDescriptor
from orchestrator_client.tools.outcome import Advice, ErrorObject, advice_on
from orchestrator_client.tools.validation import Problem

__all__ = ["CallInProgress", "Failed", "bad_arguments", "bad_result", "final", "from_server", "on_the_way", "refusal"]

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_NAME_LIMIT = 80

_UNSEEN = ErrorObject(
    code=OutcomeUnknown.code,
    message="The call was sent but no answer came; it may have been carried out.",
    suggestion="Check with a read before trying again.",
    outcome_known=False,
)
_NO_ANSWER = ErrorObject(
    code=ToolServerUnavailable.code,
    message="The tool server did not answer in time.",
    suggestion="Try again in a moment.",
    retryable=True,
)


class Failed(Exception):
    """One try that did not succeed.

    `again`: repeating it is safe and may help. `settles`: the server has decided, so that no doubt is left about
    earlier tries.
    """

    def __init__(self, error: ErrorObject, advice: Advice, *, again: bool = False, settles: bool = False) -> None:
        super().__init__(error.code)
        self.error = error
        self.advice: Advice = advice
        self.again = again
        self.settles = settles


@dataclass(slots=True)
class CallInProgress:
    """A call through all its tries; `in_doubt` once a write may have been carried out unseen."""

    use: ToolUseBlock
    key: str | None
    started: float  # like `deadline`, a time of the event loop's clock
    deadline: float
    tool: ToolDescriptor | None = None
    attempts: int = 0
    in_doubt: bool = False

    @property
    def read_only(self) -> bool:
        return self.tool is not None and self.tool.read_only

    @property
    def repeatable(self) -> bool:
        """Whether a second delivery could do no harm."""
        return self.read_only or self.keyed

    @property
    def keyed(self) -> bool:
        """Whether this call carries a key that the server honors."""
        return self.key is not None and self.tool is not None and self.tool.keyed

    @property
    def remaining_s(self) -> float:
        return self.deadline - anyio.current_time()

    def wait_s(self, error: Exception) -> bool | float:
        """Full jitter: stamina's own is additive, and none is left at its cap. What the server asks for is added."""
        if not (isinstance(error, Failed) and error.again):
            return False
        longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**self.attempts)
        wait_s = (error.error.retry_after_s or 0.0) + random.uniform(0, longest)  # noqa: S311  # only spreads load
        return wait_s if wait_s < self.remaining_s else False


def refusal(code: str, message: str, *, name: str, offered: list[str]) -> Failed:
    """The model asked for a tool it cannot have; `offered` are those it can."""
    close = tuple(difflib.get_close_matches(name[:_NAME_LIMIT], offered, n=3))
    suggestion = f"Use one of: {', '.join(offered)}." if offered else "Go on without it."
    message = message.format(name=name[:_NAME_LIMIT])
    return Failed(ErrorObject(code=code, message=message, suggestion=suggestion, alternatives=close), "give_up")


def bad_arguments(problems: list[Problem]) -> Failed:
    if problems[0].fault == "schema":
        return Failed(ErrorObject(code="tool_schema_unusable", message=f"The arguments {_said(problems)}."), "give_up")
    error = ErrorObject(
        code="validation",
        message=f"The arguments do not fit: {_said(problems)}.",
        field=problems[0].path or None,
        suggestion="Correct these fields and call the tool again; ask the user for what you do not know.",
    )
    return Failed(error, "fix_and_retry")


def bad_result(call: CallInProgress, problems: list[Problem]) -> Failed:
    return on_the_way(call, ToolResultInvalid(f"The tool's answer cannot be used: {_said(problems)}."))


def on_the_way(call: CallInProgress, error: ToolCallError) -> Failed:
    """No usable answer came back."""
    found = ErrorObject(
        code=error.code,
        message=error.message,
        suggestion=error.suggestion,
        retry_after_s=error.retry_after_s,
        retryable=error.retryable,
        outcome_known=error.outcome_known,
    )
    match error:
        case ToolServerUnavailable():
            return Failed(found, "wait_and_retry", again=True)
        case OutcomeUnknown() if call.read_only:
            return Failed(_NO_ANSWER, "wait_and_retry", again=True)
        case OutcomeUnknown():
            call.in_doubt = True
            return Failed(found, "verify", again=call.repeatable)
        case ToolResultInvalid() if not call.read_only:
            unsure = {"message": f"{error.message} The change may have been made.", "outcome_known": False}
            return Failed(found.model_copy(update=unsure), "verify", settles=True)
        case _:
            return Failed(found, "give_up")


def from_server(call: CallInProgress, error: ErrorObject) -> Failed:
    """The server answered that the call failed."""
    if not (error.outcome_known or call.read_only):
        call.in_doubt = True
    harmless = call.repeatable or (error.outcome_known and not call.in_doubt)
    return Failed(
        error,
        advice_on(error, read_only=call.read_only),
        again=error.retryable and harmless,
        settles=error.outcome_known and not error.retryable,
    )


def final(call: CallInProgress, failed: Failed) -> Failed:
    """The last failure, unless an earlier try may have been carried out: then only that matters."""
    if not call.in_doubt or failed.settles or failed.advice == "verify":
        return failed
    return Failed(_UNSEEN, "verify")


def _said(problems: list[Problem]) -> str:
    return "; ".join(str(problem) for problem in problems)
