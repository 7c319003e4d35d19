"""Runs the tool against the backend: within a deadline, retried where that is safe, behind a circuit breaker.

The only place that retries a backend. An attempt is a whole unit of work, so a failed one has left nothing behind, or
goes on where it stopped (`Interrupted`); that is why writes may be repeated here. A backend that cannot promise it
says so with `BackendUnavailable.repeatable`.
"""

import math
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import stamina

from mcp_server.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    InternalError,
    Interrupted,
    NotAllowed,
    ToolFailure,
)
from mcp_server.pipeline.breaker import Breaker, BreakerState, Permit

__all__ = ["ATTEMPTS", "Deadline", "RetryBudget", "backoff_s", "execute"]

ATTEMPTS = 3
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_HUNG_AFTER_S = 10.0
"""A call that was given up after this long counts against the backend; giving up sooner is the caller's affair."""

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


class Deadline:
    """When a call ends at the latest. A commit that was begun is finished, so that the answer is what happened.

    `interrupted` is the attempt, if any, of which nobody knows what it has stored.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.interrupted: Interrupted | None = None
        self._at = anyio.current_time() + seconds
        self.scope = anyio.CancelScope(deadline=self._at)

    @property
    def left_s(self) -> float:
        return self._at - anyio.current_time()

    def set(self) -> None:
        self.scope.deadline = self._at

    def lift(self) -> None:
        """Call it right before the commit; from there on, time no longer ends the call.

        Raises:
            DeadlineExceeded: time is up, so there must be no commit.
        """
        if self.left_s <= 0:
            raise self.exceeded()
        self.scope.deadline = math.inf

    def exceeded(self) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"The plant did not answer within {max(self.seconds, 0):g} s; nothing was stored.", suggestion="Try again."
        )


async def execute(
    attempt: Callable[[Deadline], Awaitable[T]],
    *,
    deadline_s: float,
    breaker: Breaker,
    budget: RetryBudget,
) -> T:
    """The attempt's result.

    Raises:
        DeadlineExceeded: time was up; nothing was left behind.
        BackendUnavailable: after the last attempt, or because the breaker is open.
        Interrupted: an attempt may have stored something, and no later one found out.
    """
    deadline = Deadline(deadline_s)
    if deadline_s <= 0:
        raise deadline.exceeded()
    budget.earn()
    with deadline.scope:
        try:
            return await _retried(attempt, deadline, breaker=breaker, budget=budget)
        except (BackendUnavailable, DeadlineExceeded, NotAllowed, InternalError) as failure:
            if deadline.interrupted is not None and failure.outcome_known:
                raise deadline.interrupted from failure
            raise
    if deadline.interrupted is not None:
        raise deadline.interrupted
    raise deadline.exceeded()


def backoff_s(retry: int) -> float:
    """Seconds before the first, second, … retry: anything up to a cap that doubles (full jitter)."""
    return random.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (retry - 1)))  # noqa: S311 - jitter is no secret


async def _retried(
    attempt: Callable[[Deadline], Awaitable[T]],
    deadline: Deadline,
    *,
    breaker: Breaker,
    budget: RetryBudget,
) -> T:
    failures = 0

    def again(error: Exception) -> bool | float:
        nonlocal failures
        failures += 1
        if failures == ATTEMPTS or not isinstance(error, BackendUnavailable) or not error.repeatable:
            return False
        told_s = error.retry_after_s or 0
        wait_s = told_s if told_s > 0 else backoff_s(failures)
        in_time = wait_s < deadline.left_s and breaker.state is BreakerState.CLOSED
        return wait_s if in_time and budget.spend() else False

    async for retry in stamina.retry_context(on=again, attempts=ATTEMPTS, timeout=None):
        with retry:
            deadline.set()
            return await _guarded(attempt, deadline, breaker)
    raise AssertionError("stamina ends with a result or an error")


async def _guarded(attempt: Callable[[Deadline], Awaitable[T]], deadline: Deadline, breaker: Breaker) -> T:
    permit = breaker.admit()
    if not isinstance(permit, Permit):
        raise BackendUnavailable(
            "The plant's system of record is failing and is left alone for a moment.",
            suggestion="Try again in a few seconds.",
            retry_after_s=round(permit, 1),
        )
    started = anyio.current_time()
    try:
        result = await attempt(deadline)
    except BackendUnavailable as failure:
        if isinstance(failure, Interrupted):
            deadline.interrupted = failure
        breaker.failed(permit)
        raise
    except ToolFailure:
        breaker.succeeded(permit)  # the backend answered; that the answer is no is the caller's business
        raise
    except BaseException:
        hung = anyio.current_time() - started >= _HUNG_AFTER_S
        (breaker.failed if hung else breaker.released)(permit)
        raise
    breaker.succeeded(permit)
    return result
