import json
import random
import sys

import anyio
import pytest

from orchestrator_client.dialogue.messages import ToolUseBlock
from orchestrator_client.tools.connection import RawToolResult, Target, ToolConnection
from orchestrator_client.tools.executor import ToolExecutor, ToolOutcome
from orchestrator_client.tools.outcome import ErrorObject, error_of, readable
from orchestrator_client.tools.verdicts import CallInProgress, Failed, final, from_server
from tests.support.plants import Plant, at_port, free_port, gate, kill

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_waits")]

LIMIT_S = 30.0


async def run(
    executor: ToolExecutor, name: str, /, *, key: str | None = None, also: str | None = None, **arguments: object
) -> ToolOutcome:
    """Run one tool that is allowed, unless `also` names the only tool that is."""
    use = ToolUseBlock(id="use-1", name=name, input=dict(arguments))
    return await executor.run(use, allowed=frozenset({also or name}), idempotency_key=key)


async def alone(plant: Plant, name: str, /, *, key: str | None = None, **arguments: object) -> ToolOutcome:
    """Run one tool over a connection of its own."""
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            return await run(ToolExecutor(connection), name, key=key, **arguments)


def failure(outcome: ToolOutcome) -> tuple[str, str, int]:
    assert outcome.error is not None
    assert not outcome.ok
    assert outcome.block.is_error
    return outcome.error.code, outcome.error.advice, outcome.attempts


async def test_a_read_gives_the_model_compact_text_and_code_the_structure(plant: Plant) -> None:
    outcome = await alone(plant, "get_machines", line="A")
    assert outcome.ok
    assert outcome.error is None
    assert outcome.read_only
    assert outcome.attempts == 1
    assert outcome.duration_s > 0
    assert outcome.block.tool_use_id == "use-1"
    assert outcome.block.content == '{"machine_ids":["A-0","A-1"]}'
    assert outcome.block.structured == {"machine_ids": ["A-0", "A-1"]}
    assert not outcome.block.is_error


async def test_a_tool_that_is_not_allowed_is_refused_before_a_server_is_even_started() -> None:
    async with ToolConnection(Target(command=("no-such-program-here",))) as connection:
        outcome = await run(ToolExecutor(connection), "log_isue", also="log_issue", note="n")
    assert failure(outcome) == ("tool_not_allowed", "give_up", 0)
    assert outcome.error is not None
    assert outcome.error.alternatives == ("log_issue",)


async def test_a_tool_the_server_does_not_have_is_refused_here(plant: Plant) -> None:
    assert failure(await alone(plant, "log_nothing")) == ("unknown_tool", "give_up", 0)


async def test_arguments_that_do_not_fit_are_never_sent(plant: Plant) -> None:
    outcome = await alone(plant, "log_issue", key="k", note=7, crash="sometimes")
    assert failure(outcome) == ("validation", "fix_and_retry", 0)
    assert outcome.error is not None
    assert outcome.error.field == "note"
    assert "note must be of type string" in outcome.error.message
    assert "crash must be one of: no, before, after" in outcome.error.message
    assert "sometimes" not in outcome.block.content
    assert plant.effects == []


async def test_a_missing_argument_is_named(plant: Plant) -> None:
    outcome = await alone(plant, "log_issue", key="k")
    assert outcome.error is not None
    assert (outcome.error.field, outcome.error.message) == ("note", "The arguments do not fit: note is missing.")


async def test_a_keyed_write_whose_answer_was_lost_has_one_effect(plant: Plant) -> None:
    outcome = await alone(plant, "log_issue", key="k", note="n", crash="after")
    assert outcome.ok
    assert outcome.replayed
    assert outcome.attempts == 2
    assert not outcome.read_only
    assert plant.effects == ["k n"]


async def test_a_keyed_write_whose_server_died_first_is_carried_out_by_the_next(plant: Plant) -> None:
    outcome = await alone(plant, "log_issue", key="k", note="n", crash="before")
    assert outcome.ok
    assert not outcome.replayed
    assert outcome.attempts == 2
    assert plant.effects == ["k n"]


@pytest.mark.parametrize(("crash", "effects"), [("before", []), ("after", ["None n"])])
async def test_a_write_without_a_key_is_not_repeated_once_sent(plant: Plant, crash: str, effects: list[str]) -> None:
    outcome = await alone(plant, "log_issue", note="n", crash=crash)
    assert failure(outcome) == ("outcome_unknown", "verify", 1)
    assert "may have been carried out. Check with a read" in f"{outcome.error.message} {outcome.error.suggestion}"
    assert outcome.block.structured["error"]["outcome_known"] is False
    assert plant.effects == effects


async def test_a_write_without_a_key_is_repeated_while_nothing_could_be_sent(plant: Plant) -> None:
    port = free_port()
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(at_port(port)) as connection:
            async with plant.over_http(port):
                await connection.list_tools()
            outcome = await run(ToolExecutor(connection), "log_issue", note="n")
    assert failure(outcome) == ("tool_server_unavailable", "wait_and_retry", 3)
    assert plant.effects == []


async def test_doubt_outlives_later_tries_that_reach_nobody(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with plant.over_http() as port, ToolConnection(at_port(port)) as connection:
            outcome = await run(ToolExecutor(connection), "log_issue", key="k", note="n", crash="after")
    assert failure(outcome) == ("outcome_unknown", "verify", 3)
    assert plant.effects == ["k n"]


async def test_a_read_survives_the_death_of_its_server(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with gate() as (port, calls), ToolConnection(plant.target) as connection:
            executor = ToolExecutor(connection)
            pid = (await run(executor, "process_id")).block.structured["tries"]
            outcomes: list[ToolOutcome] = []

            async def held() -> None:
                outcomes.append(await run(executor, "hold", port=port))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(held)
                await calls.receive()
                await kill(pid)
                second = await calls.receive()
                await second.send(b".")
    assert [(outcome.ok, outcome.attempts) for outcome in outcomes] == [(True, 2)]


async def test_a_server_that_cannot_be_started_is_waited_for_and_then_reported() -> None:
    async with ToolConnection(Target(command=("no-such-program-here",))) as connection:
        outcome = await run(ToolExecutor(connection), "get_machines")
    assert failure(outcome) == ("tool_server_unavailable", "wait_and_retry", 3)


async def test_a_read_never_carries_a_key(plant: Plant) -> None:
    outcome = await alone(plant, "key_seen", key="k")
    assert outcome.block.structured == {"key": None}


async def test_a_retryable_error_is_repeated_until_it_is_over(plant: Plant) -> None:
    outcome = await alone(plant, "busy", failures=2)
    assert outcome.ok
    assert outcome.attempts == 3
    assert outcome.block.content == "Done."


async def test_a_retryable_error_that_stays_is_reported_with_the_advice_to_wait(plant: Plant) -> None:
    assert failure(await alone(plant, "busy", failures=9)) == ("backend_unavailable", "wait_and_retry", 3)
    assert len(plant.lines("busy")) == 3


async def test_a_wait_beyond_the_deadline_is_not_begun(plant: Plant) -> None:
    outcome = await alone(plant, "busy", failures=1, retry_after_s=3600)
    assert failure(outcome) == ("backend_unavailable", "wait_and_retry", 1)


@pytest.mark.parametrize(("key", "attempts"), [(None, 1), ("k", 3)])
async def test_a_retryable_error_of_unknown_outcome_is_repeated_only_with_a_key(
    plant: Plant, key: str | None, attempts: int
) -> None:
    outcome = await alone(plant, "busy", key=key, failures=9, outcome_known=False)
    assert failure(outcome) == ("backend_unavailable", "verify", attempts)


async def test_an_error_object_reaches_model_and_code_alike(plant: Plant) -> None:
    outcome = await alone(plant, "refuse", machine_id="CNC-3")
    assert failure(outcome) == ("not_found", "fix_and_retry", 1)
    assert outcome.error is not None
    assert outcome.error.field == "machine_id"
    assert outcome.error.alternatives == ("CNC-03",)
    assert outcome.error.suggestion == "Use a machine of this plant."
    assert json.loads(outcome.block.content) == outcome.block.structured
    assert outcome.block.structured["error"]["alternatives"] == ["CNC-03"]


async def test_an_error_in_plain_text_is_understood(plant: Plant) -> None:
    outcome = await alone(plant, "complain")
    assert failure(outcome) == ("tool_error", "fix_and_retry", 1)
    assert "The tank is empty." in outcome.block.content


@pytest.mark.parametrize(("name", "advice"), [("lying_read", "give_up"), ("lying_write", "verify")])
async def test_an_answer_outside_its_schema_is_not_passed_on(plant: Plant, name: str, advice: str) -> None:
    outcome = await alone(plant, name, key="k")
    assert failure(outcome) == ("tool_result_invalid", advice, 1)
    assert "secret-not-a-number" not in outcome.block.content


@pytest.mark.parametrize("before_connecting", [True, False])
async def test_a_run_ends_at_its_deadline(plant: Plant, before_connecting: bool) -> None:
    silent = Target(command=(sys.executable, "-c", "import sys; sys.stdin.read()"))
    with anyio.fail_after(LIMIT_S):
        async with gate() as (port, _), ToolConnection(silent if before_connecting else plant.target) as connection:
            if not before_connecting:
                await connection.list_tools()
            outcome = await run(ToolExecutor(connection, deadline_s=0.5), "hold", port=port)
    assert failure(outcome) == ("tool_server_unavailable", "wait_and_retry", 1)
    assert 0.4 < outcome.duration_s < 2


async def test_cancellation_is_not_an_outcome(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with gate() as (port, calls), ToolConnection(plant.target) as connection:
            outcomes: list[ToolOutcome] = []

            async def held() -> None:
                outcomes.append(await run(ToolExecutor(connection), "hold", port=port))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(held)
                await calls.receive()
                tasks.cancel_scope.cancel()
    assert outcomes == []


async def test_fifty_keyed_writes_at_once_survive_the_death_of_their_server(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            executor = ToolExecutor(connection, attempts=5)
            outcomes: list[ToolOutcome] = []

            async def write(number: int) -> None:
                crash = "after" if number == 25 else "no"
                outcomes.append(await run(executor, "log_issue", key=f"k{number}", note="n", crash=crash))

            async with anyio.create_task_group() as tasks:
                for number in range(50):
                    tasks.start_soon(write, number)
    assert all(outcome.ok for outcome in outcomes)
    assert sorted(plant.effects) == sorted(f"k{number} n" for number in range(50))


async def test_waits_are_spread_over_the_whole_range_also_at_their_cap() -> None:
    use = ToolUseBlock(id="use-1", name="get_machines", input={})
    now = anyio.current_time()
    call = CallInProgress(use, None, started=now, deadline=now + 3600, attempts=20)
    failed = Failed(ErrorObject(message="Busy."), "wait_and_retry", again=True)
    random.seed(7)
    waits = [call.wait_s(failed) for _ in range(1_000)]
    assert 0 <= min(waits) < 0.1
    assert 4.9 < max(waits) <= 5
    assert 2.2 < sum(waits) / len(waits) < 2.8


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ErrorObject(message="No such machine.", code="not_found"), "not_found"),
        (ErrorObject(message="In progress.", code="busy", retryable=True), "outcome_unknown"),
    ],
)
async def test_doubt_about_a_write_ends_only_when_the_server_has_decided(error: ErrorObject, code: str) -> None:
    use = ToolUseBlock(id="use-1", name="log_issue", input={})
    call = CallInProgress(use, "k", started=0, deadline=1, in_doubt=True)
    assert final(call, from_server(call, error)).error.code == code


def test_an_error_object_may_come_as_text_alone() -> None:
    raw = RawToolResult('{"error": {"message": "Busy.", "code": "backend_unavailable", "retryable": true}}')
    assert error_of(raw) == ErrorObject(message="Busy.", code="backend_unavailable", retryable=True)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (RawToolResult("No."), "No."),
        (RawToolResult("{not json"), "{not json"),
        (RawToolResult('{"error": "No."}'), '{"error": "No."}'),
        (RawToolResult("No.", structured={"error": {"code": 7, "message": "No."}}), "No."),
        (RawToolResult("", structured={"reason": "No."}), '{"reason":"No."}'),
        (RawToolResult(""), "The tool failed and did not say why."),
        (RawToolResult("x" * 5_000), "x" * 4_000 + "…"),
    ],
)
def test_any_other_error_is_read_as_text(raw: RawToolResult, message: str) -> None:
    assert error_of(raw) == ErrorObject(message=message)


def test_what_a_server_adds_to_its_error_object_is_kept_for_the_model() -> None:
    error = error_of(
        RawToolResult(
            "", structured={"error": {"message": "No.", "field": None, "also": ["b"], "alternatives": [{"id": 1}]}}
        )
    )
    assert error.as_json()["error"]["also"] == ["b"]
    assert error.alternatives == ('{"id":1}',)


def test_a_server_s_own_words_are_kept_and_its_json_made_compact() -> None:
    assert readable(RawToolResult("Two machines.", structured={"n": 2})) == "Two machines."
    assert readable(RawToolResult('{\n  "n": 2\n}', structured={"n": 2})) == '{"n":2}'
    assert readable(RawToolResult("", structured={"n": 2})) == '{"n":2}'
    assert readable(RawToolResult("Two machines.")) == "Two machines."
