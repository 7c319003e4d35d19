from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcp_server.pipeline.breaker import Breaker, BreakerState, Permit

LEAST, SHARE, WINDOW_S, REST_S = 4, 0.5, 30.0, 10.0


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def opened(clock: FakeClock) -> Breaker:
    breaker = Breaker(clock, least_calls=LEAST, jitter=lambda: 0.0)
    for _ in range(LEAST):
        permit = breaker.admit()
        assert isinstance(permit, Permit)
        breaker.failed(permit)
    assert breaker.state is BreakerState.OPEN
    return breaker


def test_an_open_breaker_says_how_long_to_wait_and_at_least_a_second():
    clock = FakeClock()
    breaker = opened(clock)
    assert breaker.admit() == REST_S
    clock.now += REST_S - 0.1
    assert breaker.admit() == 1.0


def test_the_rest_is_longer_by_up_to_half_so_that_servers_do_not_probe_together():
    clock = FakeClock()
    breaker = Breaker(clock, least_calls=1, jitter=lambda: 1.0)
    permit = breaker.admit()
    assert isinstance(permit, Permit)
    breaker.failed(permit)
    assert breaker.admit() == REST_S * 1.5


def test_failures_that_are_long_past_do_not_count():
    clock = FakeClock()
    breaker = Breaker(clock, least_calls=2, jitter=lambda: 0.0)
    for _ in range(3):
        permit = breaker.admit()
        assert isinstance(permit, Permit)
        breaker.failed(permit)
        assert breaker.state is BreakerState.CLOSED
        clock.now += WINDOW_S + 1


def test_a_call_from_before_the_break_cannot_close_it_nor_set_a_second_probe_free():
    clock = FakeClock()
    breaker = Breaker(clock, least_calls=LEAST, jitter=lambda: 0.0)
    late = [breaker.admit() for _ in range(3)]
    for _ in range(LEAST):
        permit = breaker.admit()
        assert isinstance(permit, Permit)
        breaker.failed(permit)
    clock.now += REST_S
    probe = breaker.admit()
    assert isinstance(probe, Permit)
    for tell, permit in zip((breaker.succeeded, breaker.failed, breaker.released), late, strict=True):
        assert isinstance(permit, Permit)
        tell(permit)
        assert not isinstance(breaker.admit(), Permit)
    breaker.succeeded(probe)
    assert breaker.state is BreakerState.CLOSED


class BreakerMachine(RuleBasedStateMachine):
    """The breaker beside a model of it that keeps every outcome and counts anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.breaker = Breaker(self.clock, least_calls=LEAST, failure_share=SHARE, jitter=lambda: 0.0)
        self.calls: deque[Permit] = deque()
        self.stale: set[int] = set()  # ids of permits that were given before the last change of state
        self.probe: Permit | None = None
        self.opened_at: float | None = None
        self.outcomes: list[tuple[float, bool]] = []

    def expected(self) -> BreakerState:
        if self.opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self.clock.now >= self.opened_at + REST_S else BreakerState.OPEN

    def turn(self, *, opened_at: float | None) -> None:
        self.opened_at = opened_at
        self.outcomes = []
        self.probe = None
        self.stale |= {id(permit) for permit in self.calls}

    @rule()
    def call(self) -> None:
        state = self.expected()
        answer = self.breaker.admit()
        let_through = state is BreakerState.CLOSED or (state is BreakerState.HALF_OPEN and self.probe is None)
        assert isinstance(answer, Permit) is let_through
        if isinstance(answer, Permit):
            self.calls.append(answer)
            self.probe = answer if state is BreakerState.HALF_OPEN else None
        else:
            assert answer >= 1.0

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 50), outcome=st.sampled_from(["succeeded", "failed", "released"]))
    def finish(self, which: int, outcome: str) -> None:
        self.calls.rotate(which)
        permit = self.calls.popleft()
        getattr(self.breaker, outcome)(permit)
        if id(permit) in self.stale:
            self.stale.discard(id(permit))
            return
        if outcome == "released":
            self.probe = None
        elif self.probe is permit:
            self.turn(opened_at=None if outcome == "succeeded" else self.clock.now)
            if outcome == "succeeded":
                self.outcomes = [(self.clock.now, False)]
        else:
            self.outcomes.append((self.clock.now, outcome == "failed"))
            recent = [failed for at, failed in self.outcomes if at >= self.clock.now - WINDOW_S]
            if outcome == "failed" and len(recent) >= LEAST and sum(recent) / len(recent) >= SHARE:
                self.turn(opened_at=self.clock.now)

    @rule(seconds=st.sampled_from([0.5, 5.0, 10.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def states_agree(self) -> None:
        assert self.breaker.state is self.expected()


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
