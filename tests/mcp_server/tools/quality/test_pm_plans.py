from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_server.domain.records import PmPlan
from tests.mcp_server.tools.checks.pm_plans import VALID, pm_plan, pm_task
from tests.support.sample_plant import SamplePlant, sample_plant

pytestmark = pytest.mark.anyio


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncGenerator[SamplePlant]:
    async with sample_plant(tmp_path) as plant:
        yield plant


async def created(plant: SamplePlant, *tasks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return await plant.call("create_pm_plan", pm_plan(*tasks, **changes))


async def test_a_plan_is_a_draft_whose_tasks_are_records_of_their_own(plant: SamplePlant):
    answer = await plant.call("create_pm_plan", VALID["create_pm_plan"] | {"on_behalf_of": "Ana Ortiz"})
    plan, (task,) = answer["record"], answer["tasks"]
    assert (plan["id"], plan["revision"], plan["state"], plan["created_by"]) == ("PMP-0001", 1, "draft", "Ana Ortiz")
    assert (plan["task_ids"], task["plan_id"], task["anchor_on"]) == (["PM-0001"], "PMP-0001", "2027-01-31")
    assert (task["meter_interval"], task["calendar_interval"], task["calendar_unit"]) == (500.0, 3, "m")
    (row,) = plant.rows("SELECT * FROM pm_tasks WHERE id = 'PM-0001'")
    assert (row["title"], row["next_due_on"], row["revision"]) == ("Spindle service kit", task["next_due_on"], 1)


async def test_tasks_keep_their_order_and_get_their_own_ids(plant: SamplePlant):
    titles = ["Way wipers", "Tool changer arm", "Chip auger"]
    answer = await created(plant, *(pm_task(title=title) for title in titles))
    assert [task["title"] for task in answer["tasks"]] == titles
    assert answer["record"]["task_ids"] == ["PM-0001", "PM-0002", "PM-0003"]
    assert answer["record"]["title"] == "Preventive maintenance of MC-103 HMC 3"


async def test_a_calendar_task_is_first_due_an_interval_from_today_with_its_window(plant: SamplePlant):
    (task,) = (await created(plant))["tasks"]
    assert task["next_due_on"] == "2027-02-22"
    assert (task["window_start"], task["window_end"]) == ("2027-02-13", "2027-03-03")
    assert task["predicted"] is False


async def test_a_first_day_that_was_given_is_kept(plant: SamplePlant):
    (task,) = (await created(plant, pm_task(first_due="2027-01-31", every=1)))["tasks"]
    assert (task["next_due_on"], task["anchor_on"]) == ("2027-01-31", "2027-01-31")


async def test_a_meter_task_is_predicted_from_the_last_reading(plant: SamplePlant):
    (task,) = (await created(plant, pm_task(every=None, unit=None, meter_every=500.0)))["tasks"]
    (last,) = plant.rows("SELECT max(value) AS value FROM meter_readings WHERE machine_id = 'MC-103'")
    assert task["next_due_meter"] == last["value"] + 500
    assert task["predicted"] is True
    assert date(2026, 11, 22) < date.fromisoformat(task["next_due_on"]) < date(2027, 11, 22)


async def test_a_meter_that_was_never_read_is_told_and_gives_no_day(plant: SamplePlant):
    task = pm_task(every=None, unit=None, meter_every=10_000.0, loto=False, skill="operator")
    answer = await created(plant, task, machine_id="TQ-123")
    assert "next_due_on" not in answer["tasks"][0]
    assert answer["warnings"] == ["tasks[0]: its first day by meter is uncertain: the meter was not read yet."]


async def test_a_decommissioned_machine_is_refused_with_those_beside_it(plant: SamplePlant):
    failure = await plant.refused("create_pm_plan", pm_plan(machine_id="MC-104"))
    assert (failure.code, failure.field, failure.alternatives) == ("precondition", "machine_id", ("MC-103", "MC-105"))


async def test_a_machine_being_commissioned_is_planned_with_a_hint(plant: SamplePlant):
    task = pm_task(loto=False, skill="operator")
    answer = await created(plant, task, machine_id="MC-203", project="BETA")
    assert answer["warnings"] == [
        "MC-203 is still being commissioned: check the intervals again at handover.",
    ]


async def test_a_wrong_meter_unit_is_refused_with_the_right_one(plant: SamplePlant):
    failure = await plant.refused("create_pm_plan", pm_plan(pm_task(meter_every=500.0, meter_unit="cycles")))
    assert (failure.message, failure.alternatives) == ("MC-103 counts spindle_h, not cycles.", ("spindle_h",))


async def test_lockout_without_a_released_procedure_is_refused(plant: SamplePlant):
    failure = await plant.refused("create_pm_plan", pm_plan(pm_task(), machine_id="CV-142"))
    assert failure.field == "tasks[0].loto"
    assert "no released lockout procedure covers CV-142 (electrical, pneumatic)" in failure.message


async def test_a_lockout_procedure_inspected_too_long_ago_is_told(plant: SamplePlant):
    answer = await created(plant, pm_task(title="Heater element"), machine_id="WA-111")
    assert "LOTO-WA, the lockout procedure of WA-111, was last inspected on 2025-10-04" in answer["warnings"][0]


async def test_hazardous_energy_without_lockout_and_a_skill_nobody_has_are_told(plant: SamplePlant):
    answer = await created(plant, pm_task(loto=False), pm_task(title="Laser head", loto=False, skill="optics"))
    hazard, skill, same_hazard = answer["warnings"]
    assert hazard.startswith("tasks[0]: no lockout, but MC-103 has hazardous energy")
    assert skill.startswith("tasks[1]: nobody in the project has the skill 'optics'; there are ")
    assert same_hazard.startswith("tasks[1]: no lockout")


async def test_a_part_for_another_kind_of_machine_is_told(plant: SamplePlant):
    answer = await created(plant, pm_task(parts=["SPR-SPINDLE-KIT", "SPR-HEATER-9KW"]))
    assert answer["warnings"] == [
        "tasks[0]: SPR-HEATER-9KW (Tank heater 9 kW) is not listed for a cnc_machining_center."
    ]


@pytest.mark.parametrize(
    ("changes", "field", "alternative"),
    [
        ({"sop_id": "SOP-A-021"}, "tasks[0].sop_id", "SOP-A-020"),
        ({"parts": ["SPR-SPINDLE"]}, "tasks[0].parts[0]", None),
    ],
)
async def test_what_a_task_refers_to_must_exist(
    plant: SamplePlant, changes: dict[str, Any], field: str, alternative: str | None
):
    failure = await plant.refused("create_pm_plan", pm_plan(pm_task(**changes)))
    assert (failure.code, failure.field) == ("not_found", field)
    assert alternative is None or alternative in failure.alternatives


async def test_a_procedure_that_is_not_released_is_told(plant: SamplePlant):
    answer = await created(plant, pm_task(sop_id="SOP-A-070"))
    assert "tasks[0]: SOP-A-070 is not released yet." in answer["warnings"]


async def test_every_task_without_a_trigger_is_named_at_once(plant: SamplePlant):
    failure = await plant.refused(
        "create_pm_plan", pm_plan(pm_task(unit=None), pm_task(title="Way wipers", first_due="2026-11-21"))
    )
    assert failure.field == "tasks[0].unit"
    assert failure.also == ("tasks[1].first_due: 2026-11-21 is past; it would be overdue at once",)


async def test_work_of_a_released_plan_is_not_planned_again(plant: SamplePlant):
    failure = await plant.refused(
        "create_pm_plan", pm_plan(pm_task(title="Clean chip conveyor & filter, weekly", every=7, unit="d"))
    )
    assert (failure.code, failure.alternatives) == ("conflict", ("PM-MC103-02",))


async def test_the_same_work_twice_in_one_plan_is_refused(plant: SamplePlant):
    failure = await plant.refused("create_pm_plan", pm_plan(pm_task(), pm_task(title="coolant  CONCENTRATION")))
    assert (failure.field, failure.alternatives) == ("tasks[1].title", ())
    assert "tasks[0]" in failure.message


async def test_work_of_a_draft_counts_and_that_of_a_withdrawn_plan_does_not(plant: SamplePlant):
    await created(plant)
    assert (await plant.refused("create_pm_plan", pm_plan(title="Once more"))).code == "conflict"
    (plan,) = await stored_plans(plant)
    async with plant.backend.unit_of_work() as unit:
        await unit.replace(plan.model_copy(update={"state": "withdrawn"}))
    answer = await created(plant, title="Once more")
    assert answer["record"]["id"] == "PMP-0002"
    assert answer["tasks"][0]["id"] == "PM-0002"


async def stored_plans(plant: SamplePlant) -> list[PmPlan]:
    async with plant.backend.reader() as reader:
        found = await reader.get(PmPlan, "PMP-0001@0001")
    return [] if found is None else [found]


async def test_a_shared_machine_gets_a_shared_plan(plant: SamplePlant):
    answer = await created(plant, pm_task(title="Intake filter"), machine_id="AC-402", project="BETA")
    assert (answer["record"]["project"], answer["tasks"][0]["project"]) == ("SHARED", "SHARED")


async def test_a_dry_run_shows_the_days_and_stores_nothing(plant: SamplePlant):
    answer = await created(plant, dry_run=True)
    assert (answer["dry_run"], answer["tasks"][0]["next_due_on"]) == (True, "2027-02-22")
    assert await stored_plans(plant) == []


async def test_every_record_of_the_plan_has_a_history(plant: SamplePlant):
    await created(plant, pm_task(), pm_task(title="Way wipers"))
    rows = plant.rows("SELECT record_id, at FROM record_history WHERE tool = 'create_pm_plan' ORDER BY id")
    assert sorted(row["record_id"] for row in rows) == ["PM-0001", "PM-0002", "PMP-0001"]
    assert {datetime.fromisoformat(row["at"]).replace(tzinfo=UTC).date() for row in rows} == {date(2026, 11, 22)}
