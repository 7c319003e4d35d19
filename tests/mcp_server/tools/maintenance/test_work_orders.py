"""Planning, moving and cancelling work on the sample plant. Its day is Sunday, 2026-11-22, 06:00 in Lakeside."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mcp_server.clock import Clock
from mcp_server.domain.records import DocumentState, Machine, MachineStatus, PmPlan, Sop
from tests.mcp_server.tools.checks.work_orders import OTHER_WORK, cancel, move, schedule
from tests.support.sample_plant import AS_OF, SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

COVER = schedule(**OTHER_WORK, duration_min=30, technician_id=None)
"""Work on MC-101 that no plan asks for, in the morning of 2026-11-27."""


async def lockout(plant: SamplePlant, sop_id: str, **changes: Any) -> None:
    """Change a lockout procedure of the sample plant past the tools."""
    async with plant.backend.unit_of_work() as unit:
        sop = await unit.get(Sop, f"{sop_id}@0001")
        assert sop is not None
        await unit.replace(sop.model_copy(update=changes))


async def test_every_asked_value_is_planned_with_the_occurrence_it_fulfills(tmp_path: Path):
    arguments = schedule(priority=1, duration_min=45, reason="The filter is full.", on_behalf_of="O. Aziz")
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("schedule_maintenance", arguments)
        record = answer["record"]
        assert {name: record[name] for name in ("machine_id", "task_id", "technician_id", "priority", "reason")} == {
            name: arguments[name] for name in ("machine_id", "task_id", "technician_id", "priority", "reason")
        }
        assert (record["start"], record["duration_min"]) == ("2026-11-27T14:00:00Z", 45)
        assert (record["title"], record["skill"], record["kind"], record["loto"]) == (
            "Weekly chip conveyor & filter clean",
            "operator",
            "preventive",
            False,
        )
        assert [record[name] for name in ("due_on", "window_start", "window_end")] == [
            "2026-11-28",
            "2026-11-27",
            "2026-11-29",
        ]
        assert (answer["in_window"], record["state"], record["created_by"]) == (True, "planned", "O. Aziz")
        (stored,) = plant.rows(f"SELECT * FROM work_orders WHERE id = '{record['id']}'")
        assert (stored["state"], stored["revision"]) == ("planned", 1)


async def test_the_tasks_estimate_is_the_default_duration(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("schedule_maintenance", schedule())
        assert answer["record"]["duration_min"] == 30
        assert set(answer["compared_with"]) == {"WO-0006"}, "the technician has other work planned"


@pytest.mark.parametrize(
    ("change", "code", "field", "told"),
    [
        ({"machine_id": "LT-13"}, "not_found", "machine_id", ("no machine", "LT-130")),
        ({"machine_id": "MC-201"}, "not_found", "machine_id", ("belongs to project BETA", "MC-101")),
        (
            {"machine_id": "MC-104", "task_id": "PM-MC104-02"},
            "precondition",
            "machine_id",
            ("decommissioned", "MC-103"),
        ),
        ({"task_id": "PM-MC102-02"}, "precondition", "task_id", ("task of MC-102", "a task of MC-101")),
        ({"task_id": "PM-MC101-99"}, "not_found", "task_id", ("no maintenance task", "PM-MC101-0")),
        ({"technician_id": "E104"}, "not_found", "technician_id", ("belongs to project BETA", "E100")),
        ({"technician_id": "Ana"}, "not_found", "technician_id", ("no person", "E100")),
        ({"task_id": "PM-MC101-03", "technician_id": "E101"}, "precondition", "technician_id", ("mechanical", "E100")),
        ({"start": "2026-11-21T08:00:00-06:00"}, "precondition", "start", ("in the past", "backdated_reason")),
        ({"backdated_reason": "forgotten"}, "precondition", "backdated_reason", ("not lie in the past", "Leave")),
        ({"title": "Clean it"}, "validation", "title", ("says it already", "Leave title out")),
        ({"loto": False}, "validation", "loto", ("says it already", "Leave loto out")),
        ({"task_id": None, "kind": "corrective"}, "validation", "title", ("required without task_id", "Give task_id")),
        ({"technician_id": "E102"}, "precondition", "start", ("shift B (14:00-22:00", "2026-11-27T14:00-06:00")),
        ({"start": "2026-11-30T08:00:00-06:00"}, "precondition", "start", ("WO-0006 (Replace", "T09:30-06:00")),
        ({"start": "2026-12-01T08:00:00-06:00"}, "precondition", "start", ("2026-11-27 to 2026-11-29", "2026-11-29")),
        ({"machine_id": "LM-141", "task_id": "PM-MC101-02"}, "precondition", "task_id", ("not of LM-141", "LM-141")),
    ],
)
async def test_a_refused_plan_names_the_field_and_the_way_out(
    tmp_path: Path, change: dict[str, Any], code: str, field: str, told: tuple[str, str]
):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()["work_orders"]
        failure = await plant.refused("schedule_maintenance", schedule(**change))
        assert (failure.code, failure.field) == (code, field)
        assert told[0] in failure.message
        assert told[1] in failure.suggestion
        assert plant.counts()["work_orders"] == before


async def test_the_next_free_time_that_is_offered_is_accepted(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        first = (await plant.call("schedule_maintenance", schedule()))["record"]
        failure = await plant.refused("schedule_maintenance", COVER)
        assert first["id"] in failure.message
        (free,) = failure.alternatives
        assert free == "2026-11-27T08:30-06:00"
        answer = await plant.call("schedule_maintenance", COVER | {"start": free.replace("-06:00", ":00-06:00")})
        assert answer["compared_with"] == [first["id"]]


async def test_a_technician_is_at_one_place_only_whatever_the_project(tmp_path: Path):
    there = {"start": "2026-12-06T15:15:00-06:00", "technician_id": "E103", "machine_id": "LT-130"}
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("schedule_maintenance", COVER | there)
        assert "WO-0005 (Monthly master-part run) has E103" in failure.message
        assert (await plant.call("schedule_maintenance", COVER | there | {"technician_id": "E102"}))["record"]


async def test_a_task_has_one_open_order_until_that_is_cancelled(tmp_path: Path):
    later = schedule(start="2026-11-28T08:00:00-06:00")
    async with sample_plant(tmp_path) as plant:
        first = (await plant.call("schedule_maintenance", schedule()))["record"]
        failure = await plant.refused("schedule_maintenance", later)
        assert (failure.code, failure.field, failure.alternatives) == ("conflict", "task_id", (first["id"],))
        await plant.call("cancel_maintenance", cancel(wo_id=first["id"]))
        assert (await plant.call("schedule_maintenance", later))["status"] == "created"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"start": "2026-12-01T08:00:00-06:00"}, "due on 2026-11-28"),
        ({"technician_id": "E102"}, "E102 works shift B"),
        ({"task_id": "PM-MC101-04", "start": "2026-12-14T08:00:00-06:00"}, "Customer audit build"),
        (
            {"machine_id": "AC-401", "task_id": "PM-AC401-01", "start": "2026-11-23T08:00:00-06:00"},
            "SPR-OIL-SEPARATOR (Oil separator kit, CSD 105): 1 needed, 0 on hand, could be here on 2026-12-04",
        ),
    ],
)
async def test_a_planner_may_overrule_window_shift_parts_and_freeze_with_a_reason(
    tmp_path: Path, change: dict[str, Any], said: str
):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("schedule_maintenance", schedule(**change))
        assert any(said in text for text in (failure.message, *failure.also))
        assert "override_reason" in failure.suggestion
        answer = await plant.call("schedule_maintenance", schedule(**change, override_reason="The manager agreed."))
        assert any(text.startswith("Overruled:") and said in text for text in answer["warnings"])
        assert answer["record"]["override_reason"] == "The manager agreed."


async def test_parts_that_can_still_arrive_are_a_note_and_no_objection(tmp_path: Path):
    late = {"machine_id": "AC-401", "task_id": "PM-AC401-01", "start": "2026-12-04T08:00:00-06:00"}
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("schedule_maintenance", schedule(**late))
        assert not failure.also, "only its window stands against it"
        answer = await plant.call("schedule_maintenance", schedule(**late, override_reason="It is late already."))
        assert any(text.startswith("Order now: SPR-OIL-SEPARATOR") for text in answer["warnings"])


async def test_a_freeze_does_not_matter_to_a_machine_that_is_down(tmp_path: Path):
    in_the_freeze = COVER | {"start": "2026-12-14T08:00:00-06:00"}
    async with sample_plant(tmp_path) as plant:
        assert "Customer audit build" in (await plant.refused("schedule_maintenance", in_the_freeze)).message
        down = await plant.call("schedule_maintenance", in_the_freeze | {"machine_id": "LT-131"})
        assert down["status"] == "created"


async def test_a_holiday_is_a_good_time(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("schedule_maintenance", COVER | {"start": "2026-11-25T08:00:00-06:00"})
        assert answer["warnings"] == [
            "Lakeside plant holiday (holiday): production stands still, a good time for the work."
        ]


async def test_work_over_the_end_of_a_shift_is_told(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        late = schedule(start="2026-11-27T13:45:00-06:00")
        answer = await plant.call("schedule_maintenance", late)
        assert "The work runs 15 min over the end of E100's shift A." in answer["warnings"]


@pytest.mark.parametrize("change", [{"state": DocumentState.WITHDRAWN}, {"task_ids": ("PM-MC101-01",)}])
async def test_only_tasks_of_a_released_plan_are_carried_out(tmp_path: Path, change: dict[str, Any]):
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.unit_of_work() as unit:
            plan = await unit.get(PmPlan, "PMP-MC101@0001")
            assert plan is not None
            await unit.replace(plan.model_copy(update=change))
        failure = await plant.refused("schedule_maintenance", schedule())
        assert (failure.field, "on no released plan" in failure.message) == ("task_id", True)


async def test_other_tasks_that_one_stop_could_serve_are_told(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("schedule_maintenance", schedule())
        (note,) = answer["warnings"]
        assert note.startswith("In its window on that day too: PM-MC101-03 (500 h spindle & way service), PM-MC101-04")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inspected_on": AS_OF - timedelta(days=366)}, "more than 12 months ago"),
        ({"inspected_on": None}, "no periodic inspection on record"),
        ({"state": DocumentState.WITHDRAWN}, "No released lockout procedure covers RB-110 (electrical, pneumatic)"),
        ({"machine_ids": ("RB-111",)}, "No released lockout procedure covers RB-110"),
    ],
)
async def test_isolation_needs_a_released_and_inspected_procedure(tmp_path: Path, change: dict[str, Any], message: str):
    robot = COVER | {"machine_id": "RB-110", "loto": True}
    async with sample_plant(tmp_path) as plant:
        assert (await plant.call("schedule_maintenance", robot | {"dry_run": True}))["status"] == "created"
        await lockout(plant, "LOTO-RB", **change)
        failure = await plant.refused("schedule_maintenance", robot)
        assert (failure.code, failure.field) == ("precondition", "machine_id")
        assert message in failure.message
        assert (await plant.call("schedule_maintenance", robot | {"loto": False}))["status"] == "created"
        moved = await plant.refused(
            "reschedule_maintenance", move(wo_id="WO-0002", new_start="2026-11-24T15:00:00-06:00")
        )
        assert (moved.field, message in moved.message) == ("wo_id", True)


async def test_a_procedure_that_will_be_too_old_on_the_day_is_told(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await lockout(plant, "LOTO-RB", inspected_on=AS_OF - timedelta(days=364))
        answer = await plant.call("schedule_maintenance", COVER | {"machine_id": "RB-110", "loto": True})
        assert any("Have it inspected before" in text for text in answer["warnings"])


async def test_isolation_is_assumed_where_nobody_says_otherwise(tmp_path: Path):
    unsaid = {name: value for name, value in COVER.items() if name != "loto"}
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("schedule_maintenance", unsaid)
        assert answer["record"]["loto"] is True
        assert any("planned with lockout" in text for text in answer["warnings"])
        assert any("E100 (Ana Ortiz, shift A)" in text for text in answer["warnings"]), "nobody is assigned yet"
        refused = await plant.refused("schedule_maintenance", unsaid | {"machine_id": "LT-130"})
        assert (refused.field, "loto=false" in refused.suggestion) == ("loto", True)
        calibration = unsaid | {"machine_id": "LT-130", "kind": "calibration"}
        assert (await plant.call("schedule_maintenance", calibration))["record"]["loto"] is False


async def test_whoever_locks_out_must_be_authorized(tmp_path: Path):
    isolated = COVER | {"loto": True, "technician_id": "E108"}
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("schedule_maintenance", isolated)
        assert "does not hold loto_authorized" in failure.message
        assert set(failure.alternatives) == {"E100", "E101", "E102", "E103"}


async def test_a_machine_without_energy_sources_needs_no_lockout(tmp_path: Path):
    isolated = COVER | {"machine_id": "CV-142", "loto": True}
    async with sample_plant(tmp_path) as plant:
        assert (await plant.refused("schedule_maintenance", isolated)).field == "machine_id"
        async with plant.backend.unit_of_work() as unit:
            conveyor = await unit.get(Machine, "CV-142")
            assert conveyor is not None
            await unit.replace(conveyor.model_copy(update={"energy_sources": ()}))
        assert (await plant.call("schedule_maintenance", isolated))["status"] == "created"


@pytest.mark.parametrize(
    ("start", "in_time"),
    [
        ("2026-11-27T05:59:00Z", False),
        ("2026-11-27T06:00:00Z", True),
        ("2026-11-30T05:59:00Z", True),
        ("2026-11-30T06:00:00Z", False),
    ],
)
async def test_the_window_is_one_of_days_at_the_site(tmp_path: Path, start: str, *, in_time: bool):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call(
            "schedule_maintenance", schedule(start=start, technician_id=None, override_reason="A night shift.")
        )
        assert answer["in_window"] is in_time


async def test_work_of_the_past_is_entered_with_its_reason(tmp_path: Path):
    past = schedule(
        start="2026-11-20T08:00:00-06:00", backdated_reason="The network was down.", override_reason="Early."
    )
    async with sample_plant(tmp_path) as plant:
        record = (await plant.call("schedule_maintenance", past))["record"]
        assert record["backdated_reason"] == "The network was down."
        before_it_stood = {"start": "2020-01-01T08:00:00Z", "backdated_reason": "It was forgotten."}
        old = await plant.refused("schedule_maintenance", COVER | before_it_stood)
        assert (old.field, "commissioned" in old.message) == ("start", True)


async def test_a_dry_run_plans_nothing(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        assert (await plant.call("schedule_maintenance", schedule(dry_run=True)))["dry_run"]
        assert plant.counts() == before


async def test_a_move_frees_the_old_time_and_takes_the_new_one(tmp_path: Path):
    at_the_old_time = COVER | {"machine_id": "LT-131", "start": "2026-11-24T08:00:00-06:00"}
    async with sample_plant(tmp_path) as plant:
        assert "WO-0003" in (await plant.refused("schedule_maintenance", at_the_old_time)).message
        answer = await plant.call("reschedule_maintenance", move())
        record = answer["record"]
        assert (answer["status"], answer["old_start"]) == ("updated", "2026-11-24T14:00:00Z")
        assert (record["start"], record["revision"]) == ("2026-11-25T14:00:00Z", 2)
        assert record["moved_reason"] == "The adapter arrives a day later."
        assert (await plant.call("schedule_maintenance", at_the_old_time))["status"] == "created"
        again = await plant.call("reschedule_maintenance", move(expected_revision=2))
        assert (again["status"], again["record"]["revision"]) == ("unchanged", 2)


@pytest.mark.parametrize(
    ("change", "code", "field", "message"),
    [
        ({"wo_id": "WO-0001"}, "precondition", "wo_id", "is done"),
        ({"wo_id": "WO-0999"}, "not_found", "wo_id", "no work order"),
        ({"wo_id": "WO-0005"}, "not_found", "wo_id", "belongs to project BETA"),
        ({"expected_revision": 7}, "conflict", "expected_revision", "at revision 1"),
        ({"new_start": "2026-11-21T08:00:00-06:00"}, "precondition", "new_start", "in the past"),
        ({"new_start": "2026-11-25T14:00:00-06:00"}, "precondition", "new_start", "shift A"),
        ({"wo_id": "WO-0002", "new_start": "2026-12-29T15:00:00-06:00"}, "precondition", "new_start", "is outside"),
        ({"wo_id": "WO-0002", "new_start": "2026-11-29T15:30:00-06:00"}, "precondition", "new_start", "WO-0004"),
    ],
)
async def test_a_refused_move_names_the_field(
    tmp_path: Path, change: dict[str, Any], code: str, field: str, message: str
):
    async with sample_plant(tmp_path) as plant:
        before = plant.rows("SELECT * FROM work_orders")
        failure = await plant.refused("reschedule_maintenance", move(**change))
        assert (failure.code, failure.field) == (code, field)
        assert message in failure.message
        assert plant.rows("SELECT * FROM work_orders") == before


async def test_work_does_not_stand_in_its_own_way_when_it_moves(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("reschedule_maintenance", move(new_start="2026-11-24T09:00:00-06:00"))
        assert answer["record"]["start"] == "2026-11-24T15:00:00Z"


async def test_a_cancelled_order_leaves_its_task_due(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("cancel_maintenance", cancel(wo_id="WO-0002"))
        assert (answer["record"]["state"], answer["task_due_on"]) == ("cancelled", "2026-11-23")
        assert answer["record"]["cancelled_reason"] == "The supplier did it."
        again = await plant.refused("cancel_maintenance", cancel(wo_id="WO-0002", expected_revision=2))
        assert (again.field, "is cancelled" in again.message) == ("wo_id", True)
        stale = await plant.refused("cancel_maintenance", cancel(wo_id="WO-0003", expected_revision=9))
        assert stale.code == "conflict"


async def test_work_on_a_machine_that_was_taken_out_of_service_cannot_be_moved(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.unit_of_work() as unit:
            tester = await unit.get(Machine, "LT-131")
            assert tester is not None
            await unit.replace(tester.model_copy(update={"status": MachineStatus.DECOMMISSIONED}))
        failure = await plant.refused("reschedule_maintenance", move())
        assert (failure.field, "decommissioned" in failure.message) == ("wo_id", True)
        assert (await plant.call("cancel_maintenance", cancel()))["record"]["state"] == "cancelled"


async def test_a_plan_that_is_past_its_day_cannot_be_moved_back(tmp_path: Path):
    async with sample_plant(tmp_path):
        pass
    async with sample_plant(tmp_path, clock=Clock(AS_OF + timedelta(days=5))) as plant:
        failure = await plant.refused("reschedule_maintenance", move())
        assert (failure.field, "complete_maintenance" in failure.suggestion) == ("new_start", True)


async def test_a_shared_machine_is_judged_by_its_site_whichever_project_asks(tmp_path: Path):
    """AC-401 stands in Lakeside: 15:30 in Brno is 08:30 there, and shift B is not at work."""
    work = OTHER_WORK | {"machine_id": "AC-401", "duration_min": 30, "skill": "electrical", "technician_id": "E103"}
    async with sample_plant(tmp_path) as plant:
        early = schedule(project="GAMMA", start="2026-12-08T15:30:00+01:00", **work)
        failure = await plant.refused("schedule_maintenance", early)
        assert (failure.field, "2026-12-08T14:00-06:00" in failure.suggestion) == ("start", True)
        for project in ("ALPHA", "BETA", "GAMMA"):
            frozen = schedule(project=project, start="2026-12-12T22:30:00+01:00", **work)
            failure = await plant.refused("schedule_maintenance", frozen)
            assert "audit build" in failure.message


async def test_a_machine_whose_place_is_not_on_record_is_taken_to_be_where_the_project_is(tmp_path: Path):
    work = OTHER_WORK | {"machine_id": "AC-401", "duration_min": 30, "skill": "electrical", "technician_id": "E103"}
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.unit_of_work() as unit:
            compressor = await unit.get(Machine, "AC-401")
            assert compressor is not None
            await unit.replace(compressor.model_copy(update={"workstation": "NOWHERE"}))
        late = schedule(project="GAMMA", start="2026-12-08T15:30:00+01:00", **work)
        assert (await plant.call("schedule_maintenance", late))["status"] == "created"


async def test_a_day_off_of_several_projects_is_told_once(tmp_path: Path):
    work = OTHER_WORK | {"machine_id": "AC-401", "duration_min": 30, "technician_id": None}
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("schedule_maintenance", schedule(start="2026-11-25T08:00:00-06:00", **work))
        assert [text for text in answer["warnings"] if "holiday" in text] == [
            "Lakeside plant holiday (holiday): production stands still, a good time for the work."
        ]


async def test_a_daily_check_is_a_checklist_and_no_work_order(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        daily = schedule(task_id="PM-MC101-01", start="2026-11-22T08:00:00-06:00")
        failure = await plant.refused("schedule_maintenance", daily)
        assert (failure.field, "daily check" in failure.message) == ("task_id", True)


async def test_a_skill_that_nobody_holds_is_told(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        misspelled = await plant.call("schedule_maintenance", COVER | {"skill": "mechanicl"})
        assert "Nobody of ALPHA holds mechanicl: check the skill, or get somebody." in misspelled["warnings"]
        held = await plant.call(
            "schedule_maintenance", COVER | {"skill": "mechanical", "start": "2026-11-30T08:00:00-06:00"}
        )
        assert "warnings" not in held


@pytest.mark.parametrize(
    ("technician", "told"),
    [
        ("E101", ["E101's training on LOTO-MC-NHX counts until 2026-10-22: train again before the work."]),
        ("E103", []),
    ],
)
async def test_lockout_training_that_has_lapsed_is_told(tmp_path: Path, technician: str, told: list[str]):
    locked = COVER | {"loto": True, "skill": "electrical", "technician_id": technician, "override_reason": "Urgent."}
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("schedule_maintenance", locked)
        assert [text for text in answer["warnings"] if "training" in text] == told
        unlocked = locked | {"loto": False, "start": "2026-11-30T08:00:00-06:00"}
        answer = await plant.call("schedule_maintenance", unlocked)
        assert not any("training" in text for text in answer.get("warnings", ()))


async def test_what_a_planner_should_look_at_twice_is_told(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        new = COVER | {"project": "BETA", "machine_id": "MC-203"}
        assert "still being commissioned" in (await plant.call("schedule_maintenance", new))["warnings"][0]
        wrong_year = COVER | {"start": "2062-11-27T08:00:00-06:00"}
        assert "check the year" in (await plant.call("schedule_maintenance", wrong_year))["warnings"][0]
