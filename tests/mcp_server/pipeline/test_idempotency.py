import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.clock import Clock
from mcp_server.errors import Conflict, InvalidInput, RuleViolated
from mcp_server.pipeline.declaration import Caller
from mcp_server.pipeline.idempotency import KEPT, META_KEY, key_for
from tests.support.sample_plant import AS_OF, TOOLS, control_plan, plan_row, report, sample_plant

pytestmark = pytest.mark.anyio

KEY = "turn-7-call-1"
WRITES = [("create_quality_plan", control_plan()), ("log_issue", report())]
writes = pytest.mark.parametrize(("tool", "arguments"), WRITES)


@writes
async def test_the_same_key_gives_the_same_answer_marked_as_replayed(
    tmp_path: Path, tool: str, arguments: dict[str, Any]
):
    async with sample_plant(tmp_path) as plant:
        first = await plant.call(tool, arguments, key=KEY)
        after_first = plant.counts()
        second = await plant.call(tool, arguments, key=KEY)
        assert first["replayed"] is False
        assert second == first | {"replayed": True}
        assert plant.counts() == after_first


@writes
async def test_the_same_key_with_other_arguments_is_a_conflict_without_effect(
    tmp_path: Path, tool: str, arguments: dict[str, Any]
):
    async with sample_plant(tmp_path) as plant:
        await plant.call(tool, arguments, key=KEY)
        records = plant.counts()
        failure = await plant.refused(tool, arguments | {"title": "Something else altogether"}, key=KEY)
        assert isinstance(failure, Conflict)
        assert failure.field == f"_meta[{META_KEY}]"
        assert "new key" in failure.suggestion
        assert plant.counts() == records | {"audit_log": records["audit_log"] + 1}


async def test_a_key_belongs_to_one_tool(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("log_issue", report(), key=KEY)
        assert (await plant.call("create_quality_plan", control_plan(), key=KEY))["replayed"] is False


async def test_fifty_calls_at_once_with_one_key_have_one_effect(tmp_path: Path):
    answers: list[dict[str, Any]] = []
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()

        async def call() -> None:
            answers.append(await plant.call("log_issue", report(force_new=True), key=KEY))

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(call)
        assert sorted(answer["replayed"] for answer in answers) == [False, *[True] * 49]
        assert len({answer["record"]["id"] for answer in answers}) == 1
        assert plant.counts()["issues"] == before["issues"] + 1
        assert plant.counts()["audit_log"] == before["audit_log"] + 1


@pytest.mark.parametrize("failing", [report(title="x"), report(machine_id="LT-999")])
async def test_a_key_is_still_unused_after_a_refusal(tmp_path: Path, failing: dict[str, Any]):
    async with sample_plant(tmp_path) as plant:
        await plant.refused("log_issue", failing, key=KEY)
        assert plant.counts()["idempotency_keys"] == 0
        assert (await plant.call("log_issue", report(), key=KEY))["replayed"] is False


async def test_a_key_is_remembered_when_the_store_is_opened_again(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        first = await plant.call("log_issue", report(), key=KEY)
    async with sample_plant(tmp_path) as plant:
        assert await plant.call("log_issue", report(), key=KEY) == first | {"replayed": True}


@pytest.mark.parametrize(("days", "replayed"), [(6, True), (7, False), (30, False)])
async def test_a_key_is_kept_for_seven_days(tmp_path: Path, days: int, replayed: bool):
    assert timedelta(days=7) == KEPT
    arguments = report(force_new=True)
    async with sample_plant(tmp_path) as plant:
        await plant.call("log_issue", arguments, key=KEY)
    async with sample_plant(tmp_path, clock=Clock(AS_OF + timedelta(days=days))) as plant:
        assert (await plant.call("log_issue", arguments, key=KEY))["replayed"] is replayed
        assert plant.counts()["idempotency_keys"] == 1


async def test_without_a_key_the_same_write_is_a_repetition_for_a_short_while(tmp_path: Path):
    arguments = report(force_new=True)
    async with sample_plant(tmp_path) as plant:
        first = await plant.call("log_issue", arguments)
        assert await plant.call("log_issue", arguments) == first | {"replayed": True}
        assert (await plant.call("log_issue", arguments | {"qty_affected": 1}))["replayed"] is False
    async with sample_plant(tmp_path, clock=Clock(AS_OF + timedelta(days=1))) as plant:
        later = await plant.call("log_issue", arguments)
        assert (later["replayed"], later["record"]["id"] != first["record"]["id"]) == (False, True)


async def test_a_repeated_call_does_not_stumble_over_the_record_of_the_first(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", control_plan(), key=KEY)
        again = await plant.refused("create_quality_plan", control_plan(), key="another-key")
        assert isinstance(again, Conflict)
        assert (await plant.call("create_quality_plan", control_plan(), key=KEY))["replayed"] is True


@writes
async def test_a_dry_run_stores_nothing_at_all(tmp_path: Path, tool: str, arguments: dict[str, Any]):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        answer = await plant.call(tool, arguments | {"dry_run": True}, key=KEY)
        assert answer["dry_run"] is True
        assert answer["verification"]["fields_checked"] > 10
        assert "audit_id" not in answer
        assert plant.counts() == before
        real = await plant.call(tool, arguments, key=KEY)
        assert real["replayed"] is False
        assert real["record"] == answer["record"]


async def test_a_refused_dry_run_leaves_no_trace(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        failure = await plant.refused("create_quality_plan", control_plan(plan_row(usl=60.0), dry_run=True))
        assert isinstance(failure, RuleViolated)
        assert plant.counts() == before


@pytest.mark.parametrize(
    "key", ["short", "x" * 256, "key with \n a line", "schlüssel-1", "\ud800\ud800\ud800\ud800 x", "        \x00"]
)
async def test_what_is_no_key_is_refused_before_anything_happens(tmp_path: Path, key: str):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        failure = await plant.refused("log_issue", report(), key=key)
        assert isinstance(failure, InvalidInput)
        assert failure.field == f"_meta[{META_KEY}]"
        assert plant.counts() == before


@given(
    st.dictionaries(
        st.sampled_from(["title", "detected_by", "qty_affected", "force_new"]), st.integers(0, 3), min_size=1
    )
)
def test_arguments_that_differ_have_hashes_that_differ(changes: dict[str, int]):
    made = {
        "title": lambda n: f"Burr on the seal groove edge {n}",
        "detected_by": lambda n: f"M. Novak {n}",
        "qty_affected": lambda n: n + 1,
        "force_new": lambda _: True,
    }
    given_ = (report(), report(**{name: made[name](n) for name, n in changes.items()}), report(dry_run=True))
    requests = [TOOLS["log_issue"].request.model_validate_json(json.dumps(arguments)) for arguments in given_]
    one, other, same_but_dry = (key_for(Caller(), "log_issue", request).arguments_hash for request in requests)
    assert one != other
    assert one == same_but_dry


async def test_without_a_key_the_same_write_counts_as_repeated_until_something_it_wrote_is_changed(tmp_path: Path):
    """Submit, reject and submit are three decisions, however fast they come."""
    signed = {"project": "ALPHA", "kind": "quality_plan", "revision": 1, "comment": "Read it"}
    async with sample_plant(tmp_path) as plant:
        plan = await plant.call("create_quality_plan", control_plan())
        submit = signed | {"id": plan["record"]["id"], "decision": "submit", "approver_id": "E105"}
        reject = signed | {"id": plan["record"]["id"], "decision": "reject", "approver_id": "E113"}
        assert (await plant.call("approve_document", submit))["replayed"] is False
        assert (await plant.call("approve_document", submit))["replayed"] is True
        assert (await plant.call("approve_document", reject))["replayed"] is False
        again = await plant.call("approve_document", submit)
        assert (again["replayed"], again["record"]["state"]) == (False, "in_review")
        assert (await plant.call("approve_document", submit))["replayed"] is True
        assert [row["outcome"] for row in plant.rows("SELECT outcome FROM audit_log")] == ["created", *["updated"] * 3]


async def test_with_a_key_a_repetition_stays_one_whatever_happened_since(tmp_path: Path):
    signed = {"project": "ALPHA", "kind": "quality_plan", "revision": 1, "comment": "Read it"}
    async with sample_plant(tmp_path) as plant:
        plan = await plant.call("create_quality_plan", control_plan())
        submit = signed | {"id": plan["record"]["id"], "decision": "submit", "approver_id": "E105"}
        reject = signed | {"id": plan["record"]["id"], "decision": "reject", "approver_id": "E113"}
        await plant.call("approve_document", submit, key=KEY)
        await plant.call("approve_document", reject)
        assert (await plant.call("approve_document", submit, key=KEY))["replayed"] is True
        assert plant.rows("SELECT state FROM quality_plans WHERE id = 'QP-0001'") == [{"state": "draft"}]


async def test_a_confirmed_call_whose_answer_was_lost_is_the_same_call_without_its_code(tmp_path: Path):
    withdraw = {
        "project": "ALPHA",
        "kind": "quality_plan",
        "revision": 1,
        "decision": "withdraw",
        "comment": "Not needed",
    }
    async with sample_plant(tmp_path) as plant:
        plan = await plant.call("create_quality_plan", control_plan())
        withdraw |= {"id": plan["record"]["id"], "approver_id": "E113"}
        (code,) = (await plant.refused("approve_document", withdraw, key=KEY)).alternatives
        assert (await plant.call("approve_document", withdraw | {"confirmation": code}, key=KEY))["replayed"] is False
        for repeated in (withdraw | {"confirmation": code}, withdraw):
            assert (await plant.call("approve_document", repeated, key=KEY))["replayed"] is True
