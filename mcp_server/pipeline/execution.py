"""Runs the tool against the backend: within a deadline, retried where that is safe, behind a circuit breaker.

The only place that retries a backend. An attempt is a whole unit of work, so a failed one has left nothing behind;
that is why writes may be repeated here. A backend that is not atomic must say so, and its writes are never repeated.
"""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import stamina

from mcp_server.errors import BackendUnavailable, DeadlineExceeded, OutcomeUnknown, ToolFailure
from mcp_server.pipeline.breaker import Breaker

__all__ = ["ATTEMPTS", "RetryBudget", "execute"]

ATTEMPTS = 3
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0

T = TypeVar("T")


class RetryBudget:
    """Retries may be a tenth of the calls, so that a failing backend does not meet a storm; a few are always free."""

    def __init__(self, *, share: float = 0.1, reserve: float = 10.0) -> None:
        self._share = share
        self._reserve = reserve
        self._tokens = reserve

    def earn(self) -> None:
        self._tokens = min(self._reserve, self._tokens + self._share)

    def spend(self) -> bool:
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


async def execute(
    attempt: Callable[[], Awaitable[T]],
    *,
    deadline_s: float,
    repeatable: bool,
    breaker: Breaker,
    budget: RetryBudget,
) -> T:
    """The attempt's result.

    Raises:
        DeadlineExceeded: time was up; a repeatable attempt has left nothing behind.
        OutcomeUnknown: time was up in an attempt that is not repeatable.
        BackendUnavailable: after the last attempt, or because the breaker is open.
    """
    budget.earn()
    try:
        with anyio.fail_after(deadline_s):
            return await _retried(attempt, repeatable=repeatable, breaker=breaker, budget=budget)
    except TimeoutError as error:
        if repeatable:
            raise DeadlineExceeded(
                f"The plant did not answer within {deadline_s:g} s; nothing was stored.", suggestion="Try again."
            ) from error
        raise OutcomeUnknown(
            f"The plant did not answer within {deadline_s:g} s; the change may still have been made.",
            suggestion="Read the record before you try again.",
        ) from error


async def _retried(
    attempt: Callable[[], Awaitable[T]], *, repeatable: bool, breaker: Breaker, budget: RetryBudget
) -> T:
    waits = iter(range(ATTEMPTS))

    def again(error: Exception) -> bool | float:
        if not (repeatable and isinstance(error, BackendUnavailable) and budget.spend()):
            return False
        longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** next(waits))
        return error.retry_after_s or random.uniform(0, longest)  # noqa: S311 - jitter is no secret

    async for retry in stamina.retry_context(on=again, attempts=ATTEMPTS, timeout=None):
        with retry:
            return await _guarded(attempt, breaker)
    raise AssertionError("stamina ends with a result or an error")


async def _guarded(attempt: Callable[[], Awaitable[T]], breaker: Breaker) -> T:
    wait_s = breaker.admit()
    if wait_s is not None:
        raise BackendUnavailable(
            "The plant's system of record is failing and is left alone for a moment.",
            suggestion="Try again in a few seconds.",
            retry_after_s=round(wait_s, 1),
        )
    try:
        result = await attempt()
    except BackendUnavailable:
        breaker.failed()
        raise
    except ToolFailure:
        breaker.succeeded()  # the backend answered; that the answer is no is the caller's business
        raise
    except BaseException:
        breaker.released()
        raise
    breaker.succeeded()
    return result
