"""What an answer that says no, or no answer at all, means for the call: one table for reads, one for writes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from mcp_server.backends.http.exchange import Fate, Received, Unanswered
from mcp_server.backends.http.retry_after import retry_after_s
from mcp_server.backends.http.wording import Wording
from mcp_server.errors import (
    AnswerLost,
    BackendUnavailable,
    Conflict,
    InternalError,
    NotAllowed,
    NotFound,
    NotRepeated,
    RuleViolated,
    ToolFailure,
)

__all__ = ["CHECK_CREDENTIALS", "CHECK_URL", "GONE", "Refusals"]

CHECK_CREDENTIALS = "Check SHOPFLOOR_BACKEND_USER and SHOPFLOOR_BACKEND_PASSWORD, or SHOPFLOOR_BACKEND_TOKEN."
GONE = (404, 410)
_MOVED = (301, 307, 308)
"""Ask elsewhere, nothing was done. After 302 and 303 it may have been: some applications answer so to a form."""
_TRY_LATER = "Try again in a few seconds."
_SEE_WHETHER_IT_RUNS = (
    "Try again in a few seconds; if it stays so, check that the system runs, and host and port in --backend "
    "(SHOPFLOOR_BACKEND)."
)
CHECK_URL = "Check --backend (SHOPFLOOR_BACKEND)."
_LOOK_FIRST = "Read the record before you try again."
_SEE_LOG = "Whoever runs the server finds the request in its log at level debug."


@dataclass(frozen=True, slots=True)
class Refusals:
    """The failures of one system. `place` is its host and port."""

    place: str
    wording: Wording

    def of_read(self, received: Received) -> ToolFailure:
        match received.status:
            case 401 | 403 | 407:
                return self._not_allowed(received)
            case 404 | 410:
                return NotFound(self._said(received, "has no such record"))
            case 408 | 425 | 429:
                return self._unavailable(received, BackendUnavailable)
            case status if status in range(500, 600):
                return self._unavailable(received, BackendUnavailable)
            case status if status in range(300, 400):
                return self._elsewhere(received)
            case _:
                return InternalError(self._said(received, "did not understand what it was asked"), suggestion=_SEE_LOG)

    def of_write(self, received: Received, *, repeatable: bool) -> ToolFailure:
        match received.status:
            case 401 | 403 | 407:
                return self._not_allowed(received)
            case 404 | 410:
                return NotFound(self._said(received, "has no such record"))
            case 409 | 412:
                return Conflict(
                    self._said(received, "holds this record already, or another state of it"), suggestion=_LOOK_FIRST
                )
            case 425 | 429:
                return self._unavailable(received, BackendUnavailable if repeatable else NotRepeated)
            case status if status in _MOVED:
                return self._elsewhere(received)
            case status if status in range(400, 500) and status != HTTPStatus.REQUEST_TIMEOUT:
                return RuleViolated(
                    self._said(received, "refused this"), suggestion="Change what it names, then send it again."
                )
            case _:
                return self.lost(f"answered with status {received.status}", _wait(received))

    def unread(self, received: Received) -> InternalError:
        """A good status with a body that nobody can read."""
        return InternalError(f"The system of record at {self.place} {_unreadable(received)}.", suggestion=CHECK_URL)

    def unread_write(self, received: Received) -> AnswerLost:
        return self.lost(_unreadable(received))

    def lost(self, what: str, wait_s: float | None = None) -> AnswerLost:
        return AnswerLost(
            f"The system of record at {self.place} {what}; the change may have been made.",
            suggestion=_LOOK_FIRST,
            retry_after_s=wait_s,
        )

    def unanswered(self, unanswered: Unanswered, *, wrote: bool) -> ToolFailure:
        match unanswered.fate:
            case Fate.NOT_SENDABLE:
                return InternalError(
                    f"The request to {self.place} could not be put together; nothing was sent.", suggestion=_SEE_LOG
                )
            case Fate.NOT_SENT:
                return self._silent(unanswered)
            case Fate.SENT if wrote:
                return self.lost(f"was sent a change and gave no answer ({unanswered.why})")
            case Fate.SENT:
                return self._silent(unanswered)

    def _silent(self, unanswered: Unanswered) -> BackendUnavailable:
        detail = self.wording.shown(unanswered.detail)
        reason = f"{unanswered.why}: {detail}" if detail else unanswered.why
        if unanswered.fate is Fate.NOT_SENT:
            what, remedy = "was not reached", _SEE_WHETHER_IT_RUNS
        else:
            what, remedy = "gave no answer", _TRY_LATER
        return BackendUnavailable(f"The system of record at {self.place} {what} ({reason}).", suggestion=remedy)

    def busy(self, waited_s: float) -> BackendUnavailable:
        return BackendUnavailable(
            f"All connections to the system of record at {self.place} were busy for {waited_s:g} s; nothing was sent.",
            suggestion=_TRY_LATER,
        )

    def _not_allowed(self, received: Received) -> NotAllowed:
        who, remedy = "The system of record at", CHECK_CREDENTIALS
        if received.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            who, remedy = "A proxy on the way to", "Check HTTP_PROXY and HTTPS_PROXY."
        return NotAllowed(f"{who} {self.place} does not allow this (status {received.status}).", suggestion=remedy)

    def _elsewhere(self, received: Received) -> InternalError:
        return InternalError(
            f"The system of record at {self.place} sends this request elsewhere (status {received.status}), "
            "and redirects are not followed.",
            suggestion=CHECK_URL,
        )

    def _unavailable(self, received: Received, kind: Callable[..., BackendUnavailable]) -> BackendUnavailable:
        return kind(self._said(received, "cannot answer now"), suggestion=_TRY_LATER, retry_after_s=_wait(received))

    def _said(self, received: Received, what: str) -> str:
        words = self.wording.of(received.content, received.content_type)
        return f"The system of record at {self.place} {what} (status {received.status}){f': {words}' if words else '.'}"


def _unreadable(received: Received) -> str:
    if received.whole:
        return f"answered with something that is no JSON (status {received.status})"
    return f"sent a longer answer than can be read (status {received.status})"


def _wait(received: Received) -> float | None:
    told = received.headers.get_list("retry-after")
    return retry_after_s(told, datetime.now(UTC), date=received.headers.get("date"))
