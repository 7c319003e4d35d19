from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_server.backends.base import Query
from mcp_server.domain.records import Issue, IssueState, Machine, MachineStatus, MeterReading, WorkOrder
from mcp_server.errors import Conflict, InternalError, RuleViolated
from tests.support.federated_plant import (
    NOW,
    FederatedPlant,
    an_issue,
    an_order,
    federated_plant,
    rename_issue,
    report_one,
)

pytestmark = pytest.mark.anyio

REPORT = {"project": "ALPHA", "title": "Guard door damaged"}


def rename(**changes: Any) -> dict[str, Any]:
    return {"project": "ALPHA", "id": "ISS-0001", "title": "Hinge of the door is bent"} | changes


async def reported(plant: FederatedPlant) -> None:
    await plant.call(report_one, REPORT)
    plant.issues.requests.clear()


async def test_what_a_unit_writes_it_reads_at_once(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await reported(plant)
        async with plant.federation.unit_of_work(commit=False) as unit:
            await unit.insert(an_issue("ISS-0009", title="Another"))
            before = await unit.get(Issue, "ISS-0001")
            assert before is not None
            after = before.model_copy(update={"title": "Renamed"})
            await unit.replace(after)
            found = (await unit.find(Issue, Query())).items
            assert [(issue.id, issue.title) for issue in found] == [("ISS-0001", "Renamed"), ("ISS-0009", "Another")]
            assert await unit.get(Issue, "ISS-0001") == after
            assert await unit.next_id(Issue, "ISS-") == "ISS-0010"
        assert plant.issues.writes == []


async def test_a_unit_that_writes_and_never_sends_is_a_fault_of_ours_and_stores_nothing(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        with pytest.raises(InternalError, match="never sent"):
            async with plant.federation.unit_of_work() as unit:
                await unit.insert(an_issue())
        assert plant.rows("SELECT id FROM issues") == []


@pytest.mark.parametrize("commit", [True, False])
async def test_what_a_constraint_forbids_is_found_before_anything_is_sent(tmp_path: Path, commit: bool):
    reading = MeterReading(id="MR-0001", project="ALPHA", machine_id="MC-103", value=1.0, read_at=NOW)

    async def twice(plant: FederatedPlant) -> None:
        async with plant.federation.unit_of_work(commit=commit) as unit:
            for record in (an_issue(), reading, reading):
                await unit.insert(record)

    async with federated_plant(tmp_path) as plant:
        with pytest.raises(Conflict):
            await twice(plant)
        assert plant.issues.writes == []
        assert plant.open_calls() == 0


async def test_an_id_that_the_system_has_taken_is_a_conflict_before_anything_is_sent(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        plant.issues.rows["7"] = plant.issues.encoded(an_issue())
        with pytest.raises(Conflict, match="memory MES has issue ISS-0001 already"):
            async with plant.federation.unit_of_work() as unit:
                await unit.insert(an_issue())


@pytest.mark.parametrize("trouble", ["deleted there", "cannot be read"])
async def test_an_id_that_was_ever_in_use_is_not_given_out_again(tmp_path: Path, trouble: str):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        await reported(plant)
        if trouble == "deleted there":
            plant.issues.rows.clear()
        else:
            plant.issues.rows["1"]["status"] = "melted"
        assert (await plant.call(report_one, {"project": "ALPHA", "title": "Next"}))["record"]["id"] == "ISS-0002"


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_field_that_the_system_cannot_change_is_refused_before_anything_is_written(
    tmp_path: Path, dry_run: bool
):
    async with federated_plant(tmp_path) as plant:
        await reported(plant)
        failure = await plant.refused(rename_issue, rename(qty=99, dry_run=dry_run))
        assert isinstance(failure, RuleViolated)
        assert failure.message == "memory MES cannot change qty_affected of an issue through its interface."
        assert "Change ISS-0001 in that system" in failure.suggestion
        assert plant.issues.writes == []
        assert plant.open_calls() == 0


async def test_a_change_of_what_the_system_does_not_hold_asks_nothing_of_it(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await reported(plant)
        step = {"project": "ALPHA", "issue_id": "ISS-0001", "section": "comment", "by": "E110", "text": "Seen."}
        answer = await plant.call("update_issue", step | {"expected_revision": 1})
        assert answer["status"] == "updated"
        assert plant.issues.writes == []
        assert plant.open_calls() == 0


async def test_a_value_behind_the_same_word_of_the_system_changes_beside_it(tmp_path: Path):
    async with federated_plant(tmp_path) as plant, plant.federation.unit_of_work(commit=False) as unit:
        machines = plant.system.collections[Machine]
        machines.rows["MC-103"]["state"] = "off"
        machine = await unit.get(Machine, "MC-103")
        assert machine is not None
        await unit.replace(machine.model_copy(update={"status": MachineStatus.STANDBY}))
        with pytest.raises(RuleViolated, match="cannot change status of a machine"):
            await unit.replace(machine.model_copy(update={"status": MachineStatus.RUNNING}))


async def test_a_record_that_only_the_companion_store_has_may_be_changed_at_will(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        async with plant.store.unit_of_work() as local:
            await local.insert(an_issue())
        answer = await plant.call(rename_issue, rename(qty=99))
        assert (answer["status"], answer["record"]["qty_affected"]) == ("updated", 99)
        assert plant.issues.writes == []
        assert plant.rows("SELECT qty_affected FROM issues") == [{"qty_affected": 99}]
        assert plant.rows("SELECT * FROM remote_records WHERE kind = 'Issue'") == []


async def test_a_record_that_the_system_does_not_take_lives_in_the_companion_store(tmp_path: Path):
    async with federated_plant(tmp_path) as plant, plant.federation.unit_of_work(commit=False) as unit:
        await unit.insert(an_order(kind="calibration"))
        assert (await unit.find(WorkOrder, Query())).total == 1


async def test_a_change_of_what_was_deleted_in_the_system_is_a_conflict(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await reported(plant)
        plant.issues.rows.clear()
        async with plant.federation.unit_of_work(commit=False) as unit:
            with pytest.raises(Conflict, match="There is no issue ISS-0001 to change"):
                await unit.replace(an_issue())


async def test_a_value_that_the_system_has_no_word_for_is_refused_before_anything_is_written(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await reported(plant)
        words = {IssueState.OPEN: "new", IssueState.TRIAGED: "seen"}
        fields = [m for m in plant.issues.fields if m.field != "state"]
        state = type(fields[0])("state", "status", words.__getitem__, {v: k for k, v in words.items()}.__getitem__)
        plant.issues.fields = [*fields, state]
        plant.issues.rows["ISS-0001"]["status"] = "new"
        async with plant.federation.unit_of_work(commit=False) as unit:
            issue = await unit.get(Issue, "ISS-0001")
            assert issue is not None
            with pytest.raises(RuleViolated, match="memory MES has no word for state closed") as raised:
                await unit.replace(issue.model_copy(update={"state": IssueState.CLOSED}))
            assert raised.value.field == "state"
            with pytest.raises(RuleViolated, match="no word for state closed"):
                await unit.insert(an_issue("ISS-0002", state="closed"))
            await unit.replace(issue.model_copy(update={"state": IssueState.TRIAGED}))


async def test_two_units_wait_for_each_other(tmp_path: Path):
    order: list[str] = []
    async with federated_plant(tmp_path) as plant:
        inside = anyio.Event()

        async def first() -> None:
            async with plant.federation.unit_of_work() as unit:
                order.append("first in")
                inside.set()
                await unit.find(Machine, Query())
                order.append("first out")

        async def second() -> None:
            await inside.wait()
            async with plant.federation.unit_of_work():
                order.append("second in")

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(first)
                group.start_soon(second)
    assert order == ["first in", "first out", "second in"]
