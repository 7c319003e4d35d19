"""Every failure of a tool call, classed by who must act. Each becomes one JSON object for model, person and log.

ToolFailure
├── InvalidInput          validation            the caller: an argument is missing, unknown, of another type or range
├── RuleViolated          precondition          the caller: well formed, but against a rule of the trade
├── NotFound              not_found             the caller: no such record; alternatives are close matches
├── Ambiguous             ambiguous             the caller: several records fit; alternatives are the candidates
├── Conflict              conflict              the caller: it exists already, or the key was used for something else
├── ConfirmationRequired  confirmation_required a person: agrees to what will happen, then the same call with the code
├── Declined              declined              nobody: a person was asked and said no; nothing was done
├── BackendUnavailable    backend_unavailable   nobody now: wait and retry
│   ├── NotRepeated                             the caller: nothing was stored, and we do not send it again by ourselves
│   └── Interrupted         outcome_unknown       nobody now: part of it may be stored; the same call goes on from there
├── DeadlineExceeded      deadline_exceeded     nobody now: nothing was stored, retry
├── NotAllowed            not_allowed           the operator: the system of record refuses our credentials
├── OutcomeUnknown        outcome_unknown       the caller: read before writing again
│   └── AnswerLost                              the federation looks the record up; no caller ever sees it
├── VerificationFailed    verification_failed   the operator: the backend did not store what it said
└── InternalError         internal              us

ConfigurationError: the person who starts the program must change a setting; no call is involved.
"""

from collections.abc import Iterable
from typing import Any

__all__ = [
    "Ambiguous",
    "AnswerLost",
    "BackendUnavailable",
    "ConfigurationError",
    "ConfirmationRequired",
    "Conflict",
    "DeadlineExceeded",
    "Declined",
    "InternalError",
    "Interrupted",
    "InvalidInput",
    "NotAllowed",
    "NotFound",
    "NotRepeated",
    "OutcomeUnknown",
    "RuleViolated",
    "ToolFailure",
    "VerificationFailed",
]


class ConfigurationError(Exception):
    """The program cannot start as it was asked to."""

    def __init__(self, message: str, *, suggestion: str = "") -> None:
        super().__init__(f"{message} {suggestion}".strip())


class ToolFailure(Exception):
    """A call that did not succeed, and what the caller can do about it.

    `field` is a path into the arguments (`rows[0].machine_id`), `alternatives` are values that would work there.
    `also` lists further problems of the same call. `outcome_known` is False only when the effect may have happened.
    """

    code = "internal"
    retryable = False
    outcome_known = True

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        suggestion: str = "",
        alternatives: Iterable[str] = (),
        also: Iterable[str] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.suggestion = suggestion
        self.alternatives = tuple(alternatives)
        self.also = tuple(also)
        self.retry_after_s = retry_after_s

    def as_json(self) -> dict[str, Any]:
        """The error object of the protocol; absent things are left out."""
        found: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "suggestion": self.suggestion or None,
            "alternatives": list(self.alternatives) or None,
            "also": list(self.also) or None,
            "retry_after_s": self.retry_after_s,
        }
        kept = {key: value for key, value in found.items() if value is not None}
        return {"error": kept | {"retryable": self.retryable, "outcome_known": self.outcome_known}}


class InvalidInput(ToolFailure):
    code = "validation"


class RuleViolated(ToolFailure):
    code = "precondition"


class NotFound(ToolFailure):
    code = "not_found"


class Ambiguous(ToolFailure):
    code = "ambiguous"


class Conflict(ToolFailure):
    code = "conflict"


class ConfirmationRequired(ToolFailure):
    """Nothing was done yet. `message` says what will happen, and the one alternative is the code that confirms it."""

    code = "confirmation_required"


class Declined(ToolFailure):
    code = "declined"


class BackendUnavailable(ToolFailure):
    """Nothing was stored. `repeatable` is False where only the caller may decide to send it again."""

    code = "backend_unavailable"
    retryable = True
    repeatable = True


class NotRepeated(BackendUnavailable):
    """The system was sent a write that nothing protects from being doubled, and said that it did nothing."""

    repeatable = False


class Interrupted(BackendUnavailable):
    """Some of it may be stored. The same call with the same key finds out, and goes on where this one stopped."""

    code = "outcome_unknown"
    outcome_known = False


class DeadlineExceeded(ToolFailure):
    code = "deadline_exceeded"
    retryable = True


class NotAllowed(ToolFailure):
    code = "not_allowed"


class OutcomeUnknown(ToolFailure):
    code = "outcome_unknown"
    outcome_known = False


class AnswerLost(OutcomeUnknown):
    """A write was sent, and its answer never came or says nothing."""


class VerificationFailed(ToolFailure):
    code = "verification_failed"


class InternalError(ToolFailure):
    code = "internal"
