"""A circuit breaker: a backend that keeps failing is left alone for a while, then tried by one call.

Our own, because no maintained library is native to asyncio, limits the probes and ignores business errors.
"""

import random
from collections import deque
from collections.abc import Callable
from enum import StrEnum

__all__ = ["Breaker", "BreakerState"]


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens when half of at least `least_calls` calls within `window_s` failed; probes after about `rest_s`.

    `clock` is monotonic, in seconds. Ask `admit` before a call and tell `succeeded` or `failed` after it; a call that
    ends in any other way (cancelled, refused for a business reason) tells `released`.
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
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._retry_at: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        if self._retry_at is None:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self._clock() >= self._retry_at else BreakerState.OPEN

    def admit(self) -> float | None:
        """None lets the call through; a number refuses it and says how many seconds to wait."""
        match self.state:
            case BreakerState.CLOSED:
                return None
            case BreakerState.HALF_OPEN if not self._probing:
                self._probing = True
                return None
            case _:
                return max((self._retry_at or 0.0) - self._clock(), 1.0)

    def succeeded(self) -> None:
        if self._retry_at is not None:
            self._retry_at = None
            self._outcomes.clear()
        self._probing = False
        self._note(failed=False)

    def failed(self) -> None:
        probe = self._probing
        self._probing = False
        self._note(failed=True)
        if probe or self._share_failed() >= self._failure_share:
            self._retry_at = self._clock() + self._rest_s * (1 + 0.5 * self._jitter())

    def released(self) -> None:
        """The call says nothing about the backend; a probe may be tried again."""
        self._probing = False

    def _note(self, *, failed: bool) -> None:
        now = self._clock()
        self._outcomes.append((now, failed))
        while self._outcomes[0][0] < now - self._window_s:
            self._outcomes.popleft()

    def _share_failed(self) -> float:
        if len(self._outcomes) < self._least_calls:
            return 0.0
        return sum(failed for _, failed in self._outcomes) / len(self._outcomes)
