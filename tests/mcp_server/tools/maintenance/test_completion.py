"""Reporting work as done on the sample plant: history once, schedule moved on, meter and stock kept."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_server.clock import Clock
from mcp_server.errors import ToolFailure
from tests.mcp_server.tools.checks.completion import complete
from tests.mcp_server.tools.checks.work_orders import schedule
from tests.support.sample_plant import AS_OF, SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

CONDENSER = complete(wo_id="WO-0004", loto_removed=True)
"""A floating half-year check of CH-410, due on 2026-11-28."""
SERVICE = schedule(machine_id="MC-103", task_id="PM-MC103-03", start="2026-11-24T08:00:00-06:00")
"""The 500 h service that is due at 9488.4 h; the meter stood at 9464 h the day before."""


async def done_on(directory: Path, plan: dict[str, Any], day: date, **changes: Any) -> dict[str, Any]:
    """Plan work, and report it as done at noon (UTC) of a later day."""
    async with sample_plant(directory) as plant:
        planned = (await plant.call("schedule_maintenance", plan))["record"]["id"]
    async with sample_plant(directory, clock=Clock(day)) as plant:
        at = f"{day.isoformat()}T11:00:00Z"
        return await plant.call("complete_maintenance", complete(wo_id=planned, completed_at=at, **changes))


def history_of(plant: SamplePlant, order_id: str) -> list[dict[str, Any]]:
    return plant.rows(f"SELECT * FROM maintenance_history WHERE work_order_id = '{order_id}'")


async def test_what_was_reported_stands_in_the_history(tmp_path: Path):
    reported = CONDENSER | {"follow_up": "Order a fan belt.", "labor_min": 95, "downtime_min": 30}
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("complete_maintenance", reported)
        (record,) = history_of(plant, "WO-0004")
        assert record["id"] == answer["history_id"]
        assert {name: record[name] for name in ("findings", "follow_up", "labor_min", "downtime_min")} == {
            name: reported[name] for name in ("findings", "follow_up", "labor_min", "downtime_min")
        }
        assert (record["machine_id"], record["task_id"], record["type"]) == ("CH-410", "PM-CH410-01", "preventive")
        assert (record["due_on"], record["completed_on"], record["in_window"]) == ("2026-11-28", "2026-11-22", 1)
        assert (answer["record"]["state"], answer["record"]["completed_at"]) == ("done", "2026-11-22T11:30:00Z")
        read = await plant.call("get_maintenance_history", {"project": "ALPHA", "machine_id": "CH-410", "limit": 1})
        assert read["items"][0]["id"] == answer["history_id"]
        assert read["last_serviced_on"] == "2026-11-22"


async def test_a_floating_schedule_counts_from_the_day_it_was_done(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("complete_maintenance", CONDENSER)
        assert answer["next_due_on"] == (date(2026, 11, 22) + timedelta(days=182)).isoformat()
        (task,) = plant.rows("SELECT * FROM pm_tasks WHERE id = 'PM-CH410-01'")
        assert (task["next_due_on"], task["last_completed_on"]) == (answer["next_due_on"], "2026-11-22")


@pytest.mark.parametrize(
    ("day", "next_due_on", "in_window", "missed"),
    [
        (date(2026, 11, 26), "2026-12-05", False, 0),
        (date(2026, 11, 27), "2026-12-05", True, 0),
        (date(2026, 11, 29), "2026-12-05", True, 0),
        (date(2026, 11, 30), "2026-12-05", False, 0),
        (date(2026, 12, 5), "2026-12-12", False, 1),
        (date(2026, 12, 14), "2026-12-19", False, 2),
    ],
)
async def test_a_fixed_schedule_keeps_its_days_however_early_or_late(
    tmp_path: Path, day: date, next_due_on: str, *, in_window: bool, missed: int
):
    answer = await done_on(tmp_path, schedule(), day)
    assert (answer["next_due_on"], answer["in_window"], answer["missed"]) == (next_due_on, in_window, missed)
    assert any("done outside the tolerance" in text for text in answer.get("warnings", ())) is not in_window


async def test_the_day_of_completion_is_one_at_the_site(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("complete_maintenance", complete(completed_at="2026-11-22T05:59:00Z"))
        assert [record["completed_on"] for record in history_of(plant, "WO-0003")] == ["2026-11-21"]


async def test_a_meter_task_moves_on_by_its_reading(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        order = (await plant.call("schedule_maintenance", SERVICE))["record"]
    async with sample_plant(tmp_path, clock=Clock(AS_OF + timedelta(days=2))) as plant:
        done = complete(wo_id=order["id"], completed_at="2026-11-24T11:00:00Z", loto_removed=True)
        unread = await plant.refused("complete_maintenance", done)
        assert (unread.field, "spindle_h. It showed 9464 last" in unread.suggestion) == ("meter_reading", True)
        lower = await plant.refused("complete_maintenance", done | {"meter_reading": 9463.9})
        assert (lower.field, "9464 on 2026-11-21" in lower.message) == ("meter_reading", True)
        answer = await plant.call("complete_maintenance", done | {"meter_reading": 9495.0})
        assert (answer["next_due_meter"], answer["in_window"]) == (9995.0, True)
        assert answer["next_due_on"] > "2026-12-01"
        (reading,) = plant.rows("SELECT * FROM meter_readings WHERE machine_id = 'MC-103' AND value = 9495.0")
        assert reading["read_at"].startswith("2026-11-24 11:00")


async def test_an_implausible_reading_is_told_and_kept(tmp_path: Path):
    day = AS_OF + timedelta(days=2)
    answer = await done_on(tmp_path, SERVICE, day, loto_removed=True, meter_reading=9700.0)
    assert answer["in_window"] is False
    assert any("only 71 h have passed" in text for text in answer["warnings"])
    assert any("It was due at 9488.4 spindle_h" in text for text in answer["warnings"])


async def test_work_is_completed_only_once(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        first = await plant.call("complete_maintenance", CONDENSER, key="shift-A-0001")
        again = await plant.call("complete_maintenance", CONDENSER, key="shift-A-0001")
        assert (again["replayed"], again["history_id"]) == (True, first["history_id"])
        for revision in (1, 2):
            other = CONDENSER | {"expected_revision": revision, "findings": "Done once more."}
            failure = await plant.refused("complete_maintenance", other, key=f"shift-B-000{revision}")
            assert (failure.field, "is done" in failure.message) == ("wo_id", True)
        assert len(history_of(plant, "WO-0004")) == 1


async def test_of_two_reports_at_once_one_wins(tmp_path: Path):
    outcomes: list[str] = []

    async def report(plant: SamplePlant, findings: str) -> None:
        try:
            outcomes.append((await plant.call("complete_maintenance", CONDENSER | {"findings": findings}))["status"])
        except ToolFailure as failure:
            outcomes.append(failure.code)

    async with sample_plant(tmp_path) as plant:
        async with anyio.create_task_group() as group:
            group.start_soon(report, plant, "The first technician.")
            group.start_soon(report, plant, "The second technician.")
        assert sorted(outcomes) == ["precondition", "updated"]
        assert len(history_of(plant, "WO-0004")) == 1


@pytest.mark.parametrize(
    ("change", "code", "field", "told"),
    [
        ({"wo_id": "WO-0001"}, "precondition", "wo_id", "is done"),
        ({"expected_revision": 2}, "conflict", "expected_revision", "at revision 1"),
        ({"completed_at": "2026-11-22T06:06:00-06:00"}, "precondition", "completed_at", "in the future"),
        ({"completed_at": "2026-11-18T13:59:00Z"}, "precondition", "completed_at", "before WO-0003 was ordered"),
        ({"wo_id": "WO-0004"}, "precondition", "loto_removed", "all locks are off"),
        ({"wo_id": "WO-0004", "loto_removed": False}, "precondition", "loto_removed", "all locks are off"),
        ({"parts_used": [{"stock_id": "SPR-NONE"}]}, "not_found", "parts_used[0]", "no stock item"),
        ({"parts_used": [{"stock_id": "SPR-SEAL-ADAPTER"}] * 2}, "precondition", "parts_used", "twice"),
        ({"parts_used": [{"stock_id": "SPR-SEAL-ADAPTER", "qty": 0}]}, "validation", "parts_used[0].qty", "0.001"),
        ({"labor_min": -1}, "validation", "labor_min", "0 or more"),
    ],
)
async def test_a_refused_report_changes_nothing(
    tmp_path: Path, change: dict[str, Any], code: str, field: str, told: str
):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        failure = await plant.refused("complete_maintenance", complete(**change))
        assert (failure.code, failure.field) == (code, field)
        assert told in failure.message
        changed = {name for name, count in plant.counts().items() if count != before[name]}
        assert changed <= {"audit_log", "sqlite_sequence"}


async def test_parts_are_taken_from_stock_which_never_falls_below_zero(tmp_path: Path):
    used = [{"stock_id": "SPR-SEAL-ADAPTER", "qty": 3}, {"stock_id": "CON-DETERGENT", "qty": 0.5}]
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("complete_maintenance", complete(parts_used=used))
        on_hand = {row["id"]: row["on_hand"] for row in plant.rows("SELECT id, on_hand FROM stock_items")}
        assert (on_hand["SPR-SEAL-ADAPTER"], on_hand["CON-DETERGENT"]) == (1, 419.5)
        assert any("1 left, below the minimum of 2" in text for text in answer["warnings"])
        again = CONDENSER | {"parts_used": [{"stock_id": "SPR-SEAL-ADAPTER", "qty": 2}]}
        answer = await plant.call("complete_maintenance", again)
        (item,) = plant.rows("SELECT on_hand FROM stock_items WHERE id = 'SPR-SEAL-ADAPTER'")
        assert item["on_hand"] == 0
        assert any("2 used, but only 1 on hand" in text for text in answer["warnings"])


async def test_every_record_that_changed_has_its_history_entry(tmp_path: Path):
    used = complete(parts_used=[{"stock_id": "SPR-SEAL-ADAPTER"}], meter_reading=5_000_000)
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("complete_maintenance", used)
        entries = plant.rows(f"SELECT record_type FROM record_history WHERE audit_id = {answer['audit_id']}")
        assert {entry["record_type"] for entry in entries} == {
            "WorkOrder",
            "MaintenanceRecord",
            "MeterReading",
            "StockItem",
        }
        assert "LT-131 is still recorded as down." in answer["warnings"]


async def test_a_task_that_was_done_may_be_planned_again(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        first = (await plant.call("schedule_maintenance", schedule()))["record"]["id"]
        answer = await plant.call("complete_maintenance", complete(wo_id=first, completed_at="2026-11-22T12:00:00Z"))
        assert answer["next_due_on"] == "2026-12-05"
        following = schedule(start="2026-12-05T08:00:00-06:00")
        assert (await plant.call("schedule_maintenance", following))["record"]["due_on"] == "2026-12-05"


async def test_a_dry_run_completes_nothing(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        answer = await plant.call("complete_maintenance", CONDENSER | {"dry_run": True})
        assert (answer["dry_run"], answer["next_due_on"]) == (True, "2027-05-23")
        assert plant.counts() == before


async def test_work_on_a_shared_machine_is_done_on_the_day_at_its_site(tmp_path: Path):
    """Half past midnight in Brno is the evening before in Lakeside, where the chiller stands."""
    async with sample_plant(tmp_path) as plant:
        at_night = CONDENSER | {"project": "GAMMA", "completed_at": "2026-11-22T00:30:00+01:00"}
        answer = await plant.call("complete_maintenance", at_night)
        (record,) = history_of(plant, "WO-0004")
        assert record["completed_on"] == "2026-11-21"
        assert answer["next_due_on"] == (date(2026, 11, 21) + timedelta(days=182)).isoformat()


async def test_minutes_that_cannot_be_meant_are_pointed_out(tmp_path: Path):
    """WO-0003 was ordered four days ago, for 240 min."""
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("complete_maintenance", complete(labor_min=2401, downtime_min=14400))
        assert answer["warnings"][:2] == [
            "labor_min 2401 is over 10 times the 240 min planned. Check it.",
            "downtime_min 14400 is 10.0 days, longer than the order exists. Check it.",
        ]


async def test_the_gap_that_early_work_leaves_is_pointed_out(tmp_path: Path):
    early = schedule(start="2026-11-22T08:00:00-06:00", override_reason="The line stands.")
    answer = await done_on(tmp_path, early, date(2026, 11, 23))
    assert (answer["in_window"], answer["next_due_on"]) == (False, "2026-12-05")
    gap = "PM-MC101-02 was done early and is next due 12 days later, not 7: plan one between."
    assert gap in answer["warnings"]
