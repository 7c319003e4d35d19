"""A circuit breaker: a backend that keeps failing is left alone for a while, then tried by one call.

Our own, because no maintained library is native to asyncio, limits the probes and ignores business errors.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Breaker", "BreakerState", "Permit"]


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call. An outcome counts only in the era it was given in: late news changes nothing."""

    era: int


class Breaker:
    """Opens when half of at least `least_calls` calls within `window_s` failed; probes after about `rest_s`.

    `clock` is monotonic, in seconds. Ask `admit` before a call and tell `succeeded` or `failed` after it; a call that
    says nothing about the backend (cancelled, for instance) tells `released`.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        least_calls: int = 20,
        failure_share: float = 0.5,
        window_s: float = 30.0,
        rest_s: float = 10.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._least_calls = least_calls
        self._failure_share = failure_share
        self._window_s = window_s
        self._rest_s = rest_s
        self._jitter = jitter
        self._begin_era(0, retry_at=None)

    @property
    def state(self) -> BreakerState:
        if self._retry_at is None:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self._clock() >= self._retry_at else BreakerState.OPEN

    def admit(self) -> Permit | float:
        """Leave to call, or how many seconds to wait."""
        state = self.state
        if state is BreakerState.OPEN or self._probing:
            return max((self._retry_at or 0.0) - self._clock(), 1.0)
        self._probing = state is BreakerState.HALF_OPEN
        return Permit(self._era)

    def succeeded(self, permit: Permit) -> None:
        if permit.era != self._era:
            return
        if self._retry_at is not None:
            self._begin_era(self._era + 1, retry_at=None)
        self._note(failed=False)

    def failed(self, permit: Permit) -> None:
        if permit.era != self._era:
            return
        self._note(failed=True)
        if self._retry_at is not None or self._too_many_failed():
            rest_s = self._rest_s * (1 + 0.5 * self._jitter())
            self._begin_era(self._era + 1, retry_at=self._clock() + rest_s)

    def released(self, permit: Permit) -> None:
        """The call says nothing about the backend; a probe may be tried again."""
        if permit.era == self._era:
            self._probing = False

    def _begin_era(self, era: int, *, retry_at: float | None) -> None:
        self._era = era
        self._retry_at = retry_at
        self._probing = False
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._failures = 0

    def _note(self, *, failed: bool) -> None:
        now = self._clock()
        self._outcomes.append((now, failed))
        self._failures += failed
        while self._outcomes[0][0] < now - self._window_s:
            self._failures -= self._outcomes.popleft()[1]

    def _too_many_failed(self) -> bool:
        calls = len(self._outcomes)
        return calls >= self._least_calls and self._failures / calls >= self._failure_share
