"""History and key figures of the sample plant, against what its files say."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.base import Query
from mcp_server.clock import Clock
from mcp_server.domain.maintenance.kpis import due_with_window, pm_compliance
from mcp_server.domain.records import CalendarKind, MaintenanceRecord, PlantDay, PmTask, TaktInputs
from tests.mcp_server.tools.checks.maintenance_reports import QUARTER
from tests.support.sample_plant import AS_OF, SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

ALPHA = {"project": "ALPHA"}
TWO_YEARS = ALPHA | {"from_on": "2024-11-23", "to_on": "2026-11-22"}


async def every_page(plant: SamplePlant, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = await plant.call("get_maintenance_history", ALPHA | asked | cursor)
        found += answer["items"]
        if "next_cursor" not in answer:
            return found
        cursor = {"cursor": answer["next_cursor"]}


async def test_totals_are_the_sums_of_all_pages(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        first = await plant.call("get_maintenance_history", ALPHA | {"limit": 40})
        found = await every_page(plant, limit=40)
        assert len(found) == first["total"] == first["totals"]["count"] > 40
        assert len({record["id"] for record in found}) == len(found)
        days = [record["completed_on"] for record in found]
        assert days == sorted(days, reverse=True)
        assert first["totals"]["downtime_min"] == sum(record["downtime_min"] for record in found)
        assert first["totals"]["labor_min"] == sum(record["labor_min"] for record in found)
        kinds = first["totals"]["by_type"]
        assert kinds == {kind: sum(r["type"] == kind for r in found) for kind in kinds}
        assert {record["project"] for record in found} == {"ALPHA"}


async def test_history_is_found_by_machine_type_and_days(tmp_path: Path):
    days = {"from_on": "2026-01-01", "to_on": "2026-06-30"}
    async with sample_plant(tmp_path) as plant:
        rows = plant.rows(
            "SELECT id FROM maintenance_history WHERE machine_id = 'LT-131' AND type = 'breakdown'"
            " AND completed_on BETWEEN '2026-01-01' AND '2026-06-30'"
        )
        found = await every_page(plant, machine_id="LT-131", type="breakdown", **days)
        assert {record["id"] for record in found} == {row["id"] for row in rows} != set()


async def test_the_last_service_is_told_whatever_the_period(tmp_path: Path):
    asked = {"machine_id": "LT-131", "from_on": "2026-11-01", "to_on": "2026-11-22"}
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_maintenance_history", ALPHA | asked)
        assert (answer["total"], answer["items"], answer["last_serviced_on"]) == (0, [], "2026-10-14")
        assert "last_serviced_on" not in await plant.call("get_maintenance_history", ALPHA)


async def test_a_shared_machine_has_its_history_in_every_project(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_maintenance_history", {"project": "BETA", "machine_id": "AC-401"})
        assert answer["total"] > 0
        assert {record["project"] for record in answer["items"]} == {"SHARED"}


@pytest.mark.parametrize(
    ("asked", "code", "field", "told"),
    [
        ({"machine_id": "Leak tester 2"}, "ambiguous", "machine_id", "LT-230"),
        ({"machine_id": "LT-230"}, "not_found", "machine_id", "LT-130"),
        ({"from_on": "2026-02-01", "to_on": "2026-01-01"}, "precondition", "from_on", "Swap"),
        ({"from_on": "2026-11-23"}, "precondition", "from_on", "later than today"),
        ({"from_on": "2021-11-21"}, "precondition", "from_on", "5 years at most"),
        ({"from_on": "last week"}, "validation", "from_on", "Correct it"),
    ],
)
async def test_a_refused_question_names_the_way_out(
    tmp_path: Path, asked: dict[str, Any], code: str, field: str, told: str
):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("get_maintenance_history", ALPHA | asked)
        assert (failure.code, failure.field) == (code, field)
        assert told in failure.suggestion


async def test_five_years_may_be_asked_for(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_maintenance_history", ALPHA | {"from_on": "2021-11-22", "limit": 1})
        assert answer["total"] == len(plant.rows("SELECT id FROM maintenance_history WHERE project = 'ALPHA'"))


async def test_every_figure_follows_from_parts_worked_out_by_hand(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_maintenance_kpis", QUARTER | {"machine_id": "LT-130"})
        rows = plant.rows(
            "SELECT * FROM maintenance_history WHERE machine_id = 'LT-130'"
            " AND completed_on BETWEEN '2026-08-24' AND '2026-11-22'"
        )
        broken = [row["downtime_min"] for row in rows if row["type"] == "breakdown"]
        hours = (65 * 860 - sum(row["downtime_min"] for row in rows)) / 60
        assert answer["failures"] == len(broken) > 0
        assert answer["mtbf"]["numerator"] == pytest.approx(hours, abs=0.01)
        assert answer["mtbf"]["value"] == pytest.approx(hours / len(broken), abs=0.01)
        assert answer["mttr"]["value"] == pytest.approx(sum(broken) / 60 / len(broken), abs=0.001)
        up, repair = answer["mtbf"]["value"], answer["mttr"]["value"]
        assert answer["availability"]["value"] == pytest.approx(up / (up + repair), abs=1e-4)
        assert "ISO 22400-2 divides by failures + 1" in answer["mtbf"]["definition"]


async def test_no_failures_give_a_reason_and_no_number(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_maintenance_kpis", QUARTER | {"machine_id": "LT-131"})
        for name in ("mtbf", "availability"):
            assert "value" not in answer[name]
            assert answer[name]["reason"].startswith("no failures in 9")
        assert answer["mtbf"]["denominator"] == 0
        assert "value" not in answer["mttr"]


async def test_lt_131_fails_most_often_of_its_project(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        machines = [row["id"] for row in plant.rows("SELECT id FROM machines WHERE project = 'ALPHA'")]
        between = {
            machine: (await plant.call("get_maintenance_kpis", TWO_YEARS | {"machine_id": machine}))["mtbf"]
            for machine in machines
        }
        assert min(machines, key=lambda machine: between[machine].get("value", float("inf"))) == "LT-131"


async def test_the_machines_of_a_line_make_up_the_project(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        whole = await plant.call("get_maintenance_kpis", QUARTER)
        lines = {row["line"] for row in plant.rows("SELECT line FROM workstations WHERE project = 'ALPHA'")}
        parts = [await plant.call("get_maintenance_kpis", QUARTER | {"line": line}) for line in sorted(lines)]
        assert len(parts) > 1
        for name in ("machines", "failures", "still_open"):
            assert sum(part[name] for part in parts) == whole[name]
        hours = sum(part["mtbf"]["numerator"] for part in parts)
        assert hours == pytest.approx(whole["mtbf"]["numerator"], abs=0.01)
        both = await plant.refused("get_maintenance_kpis", QUARTER | {"line": "ALPHA-M1", "machine_id": "MC-101"})
        assert both.field == "line"


async def test_a_machine_counts_only_while_it_was_in_service(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        new = await plant.call(
            "get_maintenance_kpis",
            {"project": "BETA", "machine_id": "LT-230", "from_on": "2026-08-03", "to_on": "2026-08-14"},
        )
        assert new["warnings"] == ["LT-230 counts from 2026-08-08, when it was commissioned."]
        assert new["mtbf"]["numerator"] == pytest.approx(5 * 860 / 60, abs=1)
        gone = await plant.call("get_maintenance_kpis", QUARTER | {"machine_id": "MC-104"})
        assert "MC-104 is decommissioned; it counts up to its last record, 2026-07-18." in gone["warnings"]
        assert (gone["machines"], gone["mtbf"]["reason"]) == (0, "no operating time in the period")


async def test_no_period_ends_later_than_today(tmp_path: Path):
    later = QUARTER | {"machine_id": "LT-130"}
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_maintenance_kpis", later | {"to_on": "2027-06-30"})
        assert (answer["to_on"], answer["warnings"]) == ("2026-11-22", ["The period ends today, 2026-11-22."])
        assert answer["mtbf"] == (await plant.call("get_maintenance_kpis", later))["mtbf"]


async def test_a_holiday_shortens_the_operating_time(tmp_path: Path):
    asked = QUARTER | {"machine_id": "LT-131"}
    async with sample_plant(tmp_path) as plant:
        before = (await plant.call("get_maintenance_kpis", asked))["mtbf"]["numerator"]
        async with plant.backend.unit_of_work() as unit:
            day = date(2026, 9, 7)
            await unit.insert(
                PlantDay(
                    id="CAL-900",
                    project="SHARED",
                    kind=CalendarKind.HOLIDAY,
                    name="Labor Day",
                    from_on=day,
                    to_on=day,
                )
            )
        after = (await plant.call("get_maintenance_kpis", asked))["mtbf"]["numerator"]
        assert before - after == pytest.approx(860 / 60, abs=0.01)


async def test_without_shifts_on_record_operating_time_is_unknown(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.unit_of_work() as unit:
            (inputs,) = (await unit.find(TaktInputs, Query({"project": ("ALPHA",)}))).items
            await unit.replace(inputs.model_copy(update={"line_group": "ALPHA-A1"}))
        answer = await plant.call("get_maintenance_kpis", QUARTER | {"machine_id": "LT-130"})
        assert "value" not in answer["mtbf"]
        assert answer["mtbf"]["reason"] == "the shifts of ALPHA are not on record"
        assert answer["mttr"]["value"] > 0


async def test_compliance_counts_overdue_work_as_not_done_in_time(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_maintenance_kpis", QUARTER)
        late = {"MC-105": 1, "WA-111": 1, "LT-131": 1, "LT-130": 0}
        for machine, still_open in late.items():
            one = await plant.call("get_maintenance_kpis", QUARTER | {"machine_id": machine})
            assert one["still_open"] == still_open
        assert answer["still_open"] == 3
        done = plant.rows(
            "SELECT count(*) AS n, sum(in_window) AS good FROM maintenance_history WHERE project = 'ALPHA'"
            " AND type = 'preventive' AND due_on BETWEEN '2026-08-24' AND '2026-11-22'"
        )[0]
        assert answer["pm_compliance"]["denominator"] == done["n"] + 3
        assert answer["pm_compliance"]["numerator"] == done["good"]


async def test_work_that_was_due_in_the_period_counts_even_if_it_was_done_later(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        (late,) = plant.rows(
            "SELECT * FROM maintenance_history WHERE project = 'ALPHA' AND type = 'preventive'"
            " AND completed_on > due_on AND in_window = 0 ORDER BY id DESC LIMIT 1"
        )
        period = {"machine_id": late["machine_id"], "from_on": late["due_on"], "to_on": late["due_on"]}
        answer = await plant.call("get_maintenance_kpis", ALPHA | period)
        assert answer["pm_compliance"]["denominator"] == 1
        assert answer["pm_compliance"]["value"] == 0


async def test_the_sample_plants_own_figure_is_that_of_calendar_work_which_was_done(tmp_path: Path):
    """Its README says 90.7 % (185/204); what is overdue and what goes by a meter it leaves out."""
    first = AS_OF - timedelta(days=90)
    async with sample_plant(tmp_path) as plant, plant.backend.reader() as reader:
        tasks = (await reader.find(PmTask, Query())).items
        by_calendar = {task.id for task in tasks if task.meter_interval is None}
        history = (await reader.find(MaintenanceRecord, Query())).items
        due = due_with_window([r for r in history if r.task_id in by_calendar], first, AS_OF)
        figure = pm_compliance(due, still_open=0)
        assert (figure.numerator, figure.denominator) == (185, 204)
        assert figure.value == pytest.approx(0.907, abs=5e-4)


async def test_neither_daily_checks_nor_drafts_count_as_work_left_undone(tmp_path: Path):
    """A week later nobody has recorded a daily check, and a draft plan asks for nothing."""
    draft = {
        "machine_id": "MC-101",
        "tasks": [
            {"title": "Grease", "every": 1, "unit": "d", "est_min": 5, "skill": "mechanical", "loto": False}
            | {"first_due": "2026-11-23"}
        ],
    }
    asked = {"machine_id": "MC-101", "from_on": "2026-11-01", "to_on": "2026-11-27"}
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_pm_plan", ALPHA | draft)
    async with sample_plant(tmp_path, clock=Clock(date(2026, 11, 27))) as plant:
        assert (await plant.call("get_maintenance_kpis", ALPHA | asked))["still_open"] == 0


async def test_a_line_is_known_in_small_letters_too(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        one, other = [
            await plant.call("get_maintenance_kpis", QUARTER | {"line": line}) for line in ("alpha-m1", "ALPHA-M1")
        ]
        assert one["machines"] == other["machines"] > 0
