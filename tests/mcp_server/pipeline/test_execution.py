import math
import random
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import stamina

from mcp_server.backends.base import Backend, UnitOfWork
from mcp_server.domain.records import Record
from mcp_server.errors import (
    BackendUnavailable,
    DeadlineExceeded,
    InternalError,
    Interrupted,
    NotAllowed,
    NotRepeated,
    RuleViolated,
    ToolFailure,
)
from mcp_server.pipeline import execution
from mcp_server.pipeline.breaker import Breaker, BreakerState
from mcp_server.pipeline.execution import ATTEMPTS, Deadline, RetryBudget, backoff_s, execute
from tests.support.sample_plant import Failing, Wrapped, report, sample_plant

pytestmark = pytest.mark.anyio


def down(**told: Any) -> BackendUnavailable:
    return BackendUnavailable("Down.", **told)


def every_failure(kind: type[ToolFailure] = ToolFailure) -> Iterator[type[ToolFailure]]:
    for found in kind.__subclasses__():
        yield found
        yield from every_failure(found)


class Attempts:
    """Counts the attempts; each fails with the next failure, and when they are used up the answer is `done`."""

    def __init__(self, *failures: BaseException) -> None:
        self._failures = iter(failures)
        self.made = 0

    async def __call__(self, _deadline: Deadline) -> str:
        self.made += 1
        for failure in self._failures:
            raise failure
        return "done"


async def run(attempts: Any, *, deadline_s: float = 30.0, **others: Any) -> str:
    breaker = others.get("breaker") or Breaker(lambda: 0.0)
    budget = others.get("budget") or RetryBudget()
    return await execute(attempts, deadline_s=deadline_s, breaker=breaker, budget=budget)


@contextmanager
def without_waits() -> Generator[None]:
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield


@contextmanager
def waits() -> Generator[list[float]]:
    """The waits before the retries, in seconds; really waited."""
    seen: list[float] = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: seen.append(details.wait_for)])
    try:
        yield seen
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)


@pytest.mark.parametrize("failures", range(ATTEMPTS))
async def test_an_unavailable_backend_is_tried_again(failures: int):
    attempts = Attempts(*[down() for _ in range(failures)])
    with without_waits():
        assert await run(attempts) == "done"
    assert attempts.made == failures + 1


async def test_after_the_last_attempt_the_failure_is_told():
    attempts = Attempts(*[down() for _ in range(ATTEMPTS)])
    with without_waits(), pytest.raises(BackendUnavailable):
        await run(attempts)
    assert attempts.made == ATTEMPTS


@pytest.mark.parametrize("failure", [kind for kind in every_failure() if not issubclass(kind, BackendUnavailable)])
async def test_no_other_failure_is_ever_retried(failure: type[ToolFailure]):
    attempts = Attempts(failure("No."))
    with without_waits(), pytest.raises(failure):
        await run(attempts)
    assert attempts.made == 1


@pytest.mark.parametrize("failure", [KeyError("x"), ValueError("x"), OSError("x"), TimeoutError("x")])
async def test_a_bug_is_never_retried(failure: Exception):
    attempts = Attempts(failure)
    with without_waits(), pytest.raises(type(failure)):
        await run(attempts)
    assert attempts.made == 1


async def test_a_write_that_nothing_protects_from_being_doubled_is_never_retried():
    attempts = Attempts(NotRepeated("Busy.", retry_after_s=0.01))
    with without_waits(), pytest.raises(NotRepeated) as raised:
        await run(attempts)
    assert attempts.made == 1
    assert raised.value.as_json()["error"]["retryable"] is True  # by the caller, who knows what it was


async def test_retry_after_is_obeyed():
    with waits() as seen:
        assert await run(Attempts(down(retry_after_s=0.02), down(retry_after_s=0.01))) == "done"
    assert seen == pytest.approx([0.02, 0.01])


async def test_a_retry_after_beyond_the_deadline_fails_at_once():
    attempts = Attempts(down(retry_after_s=60.0))
    with anyio.fail_after(1), pytest.raises(BackendUnavailable):
        await run(attempts, deadline_s=30.0)
    assert attempts.made == 1


@pytest.mark.parametrize("junk", [-5.0, 0.0, float("nan")])
async def test_junk_in_retry_after_is_ignored(junk: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(execution, "_LONGEST_WAIT_S", 0.01)
    with waits() as seen:
        assert await run(Attempts(down(retry_after_s=junk))) == "done"
    assert 0 <= seen[0] < 0.01


@pytest.mark.parametrize(("retry", "cap"), [(1, 0.2), (2, 0.4), (5, 3.2), (6, 5.0), (30, 5.0)])
def test_the_wait_is_anything_up_to_a_cap_that_doubles(retry: int, cap: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(execution, "random", random.Random(20261122))
    drawn = sorted(backoff_s(retry) / cap for _ in range(5_000))
    distance = max(abs(share - position / len(drawn)) for position, share in enumerate(drawn))
    assert distance < 1.95 / len(drawn) ** 0.5  # Kolmogorov-Smirnov against the uniform distribution, p > 0.001
    assert 0 <= drawn[0] < drawn[-1] <= 1


async def test_the_budget_limits_a_storm_of_retries():
    attempts = Attempts(*[down() for _ in range(10_000)])
    budget, patient = RetryBudget(), Breaker(lambda: 0.0, least_calls=10_000)
    with without_waits():
        for _ in range(300):
            with pytest.raises(BackendUnavailable):
                await run(attempts, budget=budget, breaker=patient)
    assert 300 + 35 <= attempts.made <= 300 * 1.1 + 10


async def test_the_last_attempt_does_not_cost_a_retry():
    budget = RetryBudget(share=0.0, reserve=4.0)
    with without_waits():
        for _ in range(2):
            attempts = Attempts(*[down() for _ in range(ATTEMPTS)])
            with pytest.raises(BackendUnavailable):
                await run(attempts, budget=budget)
            assert attempts.made == ATTEMPTS


async def test_an_open_breaker_refuses_at_once_and_says_how_long_to_wait():
    breaker = Breaker(lambda: 0.0, least_calls=1, jitter=lambda: 0.0)
    with without_waits(), pytest.raises(BackendUnavailable):
        await run(Attempts(down()), breaker=breaker)
    untouched = Attempts()
    with anyio.fail_after(1), pytest.raises(BackendUnavailable) as raised:
        await run(untouched, breaker=breaker)
    assert (untouched.made, raised.value.retry_after_s) == (0, 10.0)


async def test_a_business_refusal_and_a_cancelled_call_do_not_open_the_breaker():
    breaker = Breaker(lambda: 0.0, least_calls=1)
    for failure in every_failure():
        if not issubclass(failure, BackendUnavailable):
            with pytest.raises(failure):
                await run(Attempts(failure("No.")), breaker=breaker)
    with anyio.CancelScope() as scope:

        async def cancelled(_deadline: Deadline) -> str:
            scope.cancel()
            await anyio.sleep_forever()
            return "never"

        await run(cancelled, breaker=breaker)
    assert breaker.state is BreakerState.CLOSED


async def hang(_deadline: Deadline) -> str:
    await anyio.sleep_forever()
    return "never"


async def test_a_backend_that_hangs_for_long_opens_the_breaker(monkeypatch: pytest.MonkeyPatch):
    breaker = Breaker(lambda: 0.0, least_calls=1)
    with pytest.raises(DeadlineExceeded):
        await run(hang, deadline_s=0.01, breaker=breaker)
    assert breaker.state is BreakerState.CLOSED  # a caller in a hurry says nothing about the backend
    monkeypatch.setattr(execution, "_HUNG_AFTER_S", 0.0)
    with pytest.raises(DeadlineExceeded):
        await run(hang, deadline_s=0.01, breaker=breaker)
    assert breaker.state is BreakerState.OPEN


async def test_time_up_after_an_interrupted_attempt_is_an_unknown_outcome():
    made = 0

    async def attempt(deadline: Deadline) -> str:
        nonlocal made
        made += 1
        if made == 1:
            raise Interrupted("Lost on the way.")
        return await hang(deadline)

    with anyio.fail_after(5), without_waits(), pytest.raises(Interrupted) as raised:
        await run(attempt, deadline_s=0.2)
    assert made == 2
    assert raised.value.outcome_known is False


@pytest.mark.parametrize("later", [down(), NotRepeated("Busy."), NotAllowed("No."), InternalError("Broken.")])
async def test_who_cannot_look_after_an_interrupted_attempt_is_not_told_that_nothing_was_stored(later: ToolFailure):
    with without_waits(), pytest.raises(Interrupted):
        await run(Attempts(Interrupted("Lost on the way."), later, down()))


async def test_a_refusal_after_an_interrupted_attempt_is_told_as_it_is():
    attempts = Attempts(Interrupted("Lost on the way."), RuleViolated("No."))
    with without_waits(), pytest.raises(RuleViolated):
        await run(attempts)


async def test_an_interrupted_attempt_that_goes_on_well_is_done():
    with without_waits():
        assert await run(Attempts(Interrupted("Lost on the way."))) == "done"


@pytest.mark.parametrize("deadline_s", [0.0, -1.0])
async def test_a_call_that_expired_on_the_way_is_not_executed(deadline_s: float):
    attempts = Attempts()
    with pytest.raises(DeadlineExceeded, match="nothing was stored"):
        await run(attempts, deadline_s=deadline_s)
    assert attempts.made == 0


async def test_time_is_up_before_the_commit_but_never_during_it():
    async def too_late(deadline: Deadline) -> str:
        with anyio.CancelScope(shield=True), anyio.move_on_after(0.02):
            await anyio.sleep_forever()
        deadline.lift()
        return "committed"

    async def in_time(deadline: Deadline) -> str:
        deadline.lift()
        with anyio.move_on_after(0.02):
            await anyio.sleep_forever()
        return "committed"

    with pytest.raises(DeadlineExceeded):
        await run(too_late, deadline_s=0.01)
    assert await run(in_time, deadline_s=0.01) == "committed"


async def test_the_deadline_holds_again_after_a_commit_that_failed():
    made = 0

    async def attempt(deadline: Deadline) -> str:
        nonlocal made
        made += 1
        if made == 1:
            deadline.lift()
            raise down(retry_after_s=0.01)
        return await hang(deadline)

    with anyio.fail_after(5), without_waits(), pytest.raises(DeadlineExceeded):
        await run(attempt, deadline_s=0.2)
    assert made == 2


async def test_a_retried_write_has_one_effect(tmp_path: Path):
    failing: list[Failing] = []

    def wrap(backend: Backend) -> Failing:
        failing.append(Failing(backend, [down(), down()]))
        return failing[0]

    async with sample_plant(tmp_path, wrap=wrap) as plant:
        with without_waits():
            answer = await plant.call("log_issue", report(), key="a-key-of-mine")
        assert failing[0].attempts == ATTEMPTS
        assert answer["status"] == "created"
        assert answer["replayed"] is False
        assert [row["id"] for row in plant.rows("SELECT id FROM issues WHERE title LIKE 'Burr%'")] == [
            answer["record"]["id"]
        ]
        assert len(plant.rows("SELECT * FROM audit_log")) == 1


class Hanging(Wrapped):
    """Stores the record and then never comes back."""

    @asynccontextmanager
    async def unit_of_work(self, *, commit: bool = True) -> AsyncGenerator[UnitOfWork]:
        async with self._inner.unit_of_work(commit=commit) as unit:
            insert = unit.insert

            async def insert_and_hang(record: Record) -> None:
                await insert(record)
                await anyio.sleep_forever()

            unit.insert = insert_and_hang  # type: ignore[method-assign]  # a fault is planted from inside
            yield unit


class SlowToReturn(Wrapped):
    """Commits at once, and comes back after whatever deadline still holds then."""

    @asynccontextmanager
    async def unit_of_work(self, *, commit: bool = True) -> AsyncGenerator[UnitOfWork]:
        async with self._inner.unit_of_work(commit=commit) as unit:
            yield unit
        if anyio.current_effective_deadline() < math.inf:
            await anyio.sleep_forever()


async def test_a_write_whose_time_is_up_leaves_nothing_behind(tmp_path: Path):
    async with sample_plant(tmp_path, wrap=Hanging) as plant:
        before = plant.counts()
        with anyio.fail_after(2), pytest.raises(DeadlineExceeded) as raised:
            await plant.call("log_issue", report(), deadline_s=0.1)
        assert raised.value.as_json()["error"]["retryable"] is True
        assert plant.counts() == before


async def test_a_write_that_was_committed_is_never_reported_as_not_stored(tmp_path: Path):
    async with sample_plant(tmp_path, wrap=SlowToReturn) as plant:
        answer = await plant.call("log_issue", report(), deadline_s=2.0)
        assert plant.rows(f"SELECT id FROM issues WHERE id = '{answer['record']['id']}'")


async def test_a_system_of_record_that_may_not_get_a_write_twice_gets_it_once(tmp_path: Path):
    failing: list[Failing] = []

    def wrap(backend: Backend) -> Failing:
        failing.append(Failing(backend, [NotRepeated("Busy.")]))
        return failing[0]

    async with sample_plant(tmp_path, wrap=wrap) as plant:
        with without_waits():
            assert isinstance(await plant.refused("log_issue", report()), NotRepeated)
        assert failing[0].attempts == 1


async def test_a_read_is_retried_too(tmp_path: Path):
    async with sample_plant(tmp_path, wrap=lambda backend: Failing(backend, [down(), down()])) as plant:
        with without_waits():
            assert (await plant.call("list_projects", {}))["total"] == 3
