from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_server.clock import Clock
from mcp_server.domain.records import (
    DocumentState,
    MaintenanceKind,
    PmPlan,
    PmTask,
    Strategy,
    WorkOrder,
    WorkOrderState,
)
from tests.support.sample_plant import SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncGenerator[SamplePlant]:
    async with sample_plant(tmp_path) as plant:
        yield plant


async def upcoming(plant: SamplePlant, **arguments: Any) -> dict[str, dict[str, Any]]:
    answer = await plant.call("get_upcoming_schedules", {"project": "ALPHA", "limit": 200} | arguments)
    return {item["id"]: item for item in answer["items"]}


def order(**changes: Any) -> WorkOrder:
    values: dict[str, Any] = {
        "id": "WO-0900",
        "project": "ALPHA",
        "machine_id": "MC-101",
        "kind": MaintenanceKind.PREVENTIVE,
        "title": "Annual geometry",
        "state": WorkOrderState.PLANNED,
        "start": NOON,
        "duration_min": 480,
        "priority": 3,
        "created_at": NOON,
        "created_by": "E114",
    }
    return WorkOrder(**values | changes)


def task(**changes: Any) -> PmTask:
    values: dict[str, Any] = {
        "id": "PM-0900",
        "project": "ALPHA",
        "plan_id": "PMP-0900",
        "machine_id": "TQ-123",
        "title": "Cable check",
        "calendar_interval": 10,
        "calendar_unit": "d",
        "strategy": Strategy.FIXED,
        "tolerance_pct": 10.0,
        "est_min": 20,
        "skill": "electrical",
        "loto": False,
        "anchor_on": date(2026, 12, 1),
    }
    return PmTask(**values | changes)


def plan(*task_ids: str, **changes: Any) -> PmPlan:
    values: dict[str, Any] = {
        "id": "PMP-0900",
        "project": "ALPHA",
        "title": "Torque tool",
        "revision": 1,
        "state": DocumentState.RELEASED,
        "created_at": NOON,
        "created_by": "E100",
        "machine_id": "TQ-123",
        "task_ids": task_ids,
    }
    return PmPlan(**values | changes)


async def stored(plant: SamplePlant, *records: Any) -> None:
    async with plant.backend.unit_of_work() as unit:
        for record in records:
            await unit.insert(record)


async def test_what_is_overdue_comes_first_with_how_long(plant: SamplePlant):
    found = await upcoming(plant, state="overdue")
    assert {item: found[item]["days_overdue"] for item in found} == {
        "PM-AC401-01": 41,
        "PM-LT131-02": 33,
        "PM-WA111-02": 25,
        "PM-MC105-03": 18,
    }


async def test_the_list_is_by_due_day_and_ends_at_the_horizon(plant: SamplePlant):
    days = [item["due_on"] for item in (await upcoming(plant, horizon_days=7)).values()]
    assert days == sorted(days)
    assert days[-1] <= "2026-11-29"
    assert len(await upcoming(plant, horizon_days=365)) > len(days)


@pytest.mark.parametrize(("horizon_days", "listed"), [(8, []), (9, ["PM-0900"])])
async def test_the_last_day_of_the_horizon_counts(plant: SamplePlant, horizon_days: int, listed: list[str]):
    await stored(plant, plan("PM-0900"), task())
    assert list(await upcoming(plant, machine_id="TQ-123", horizon_days=horizon_days)) == listed


async def test_pages_follow_each_other_without_gap(plant: SamplePlant):
    wanted = {"project": "ALPHA", "limit": 10}
    answer = await plant.call("get_upcoming_schedules", wanted)
    seen = [item["id"] for item in answer["items"]]
    while "next_cursor" in answer:
        answer = await plant.call("get_upcoming_schedules", wanted | {"cursor": answer["next_cursor"]})
        seen += [item["id"] for item in answer["items"]]
    assert seen == list(await upcoming(plant))
    assert answer["total"] == len(seen)


async def test_the_state_is_that_of_today_at_the_site(plant: SamplePlant):
    later = Clock(date(2026, 11, 28))
    async with sample_plant(plant.directory, clock=later) as then:
        found = await upcoming(then, machine_id="CV-142")
    assert (found["PM-CV142-01"]["state"], found["PM-CV142-01"]["days_overdue"]) == ("overdue", 10)
    assert (await upcoming(plant, machine_id="CV-142"))["PM-CV142-01"]["state"] == "due"


async def test_daily_checks_of_the_operators_are_left_out_unless_asked_for(plant: SamplePlant):
    assert "PM-MC101-01" not in await upcoming(plant)
    assert "PM-MC101-01" in await upcoming(plant, include_daily=True)


async def test_a_machine_out_of_service_is_not_maintained(plant: SamplePlant):
    await stored(
        plant, plan("PM-0900", machine_id="MC-104"), task(machine_id="MC-104"), task(id="PM-0901", machine_id="MC-103")
    )
    found = await upcoming(plant, horizon_days=365)
    assert "MC-104" not in {item["machine_id"] for item in found.values()}


@pytest.mark.parametrize("state", [state for state in DocumentState if state is not DocumentState.RELEASED])
async def test_only_released_plans_are_scheduled(plant: SamplePlant, state: DocumentState):
    await stored(plant, plan("PM-0900", state=state), task())
    assert await upcoming(plant, machine_id="TQ-123") == {}


async def test_a_task_that_the_released_revision_dropped_is_not_listed(plant: SamplePlant):
    await stored(plant, plan("PM-0900"), task(), task(id="PM-0901", title="Lamp check"))
    assert list(await upcoming(plant, machine_id="TQ-123")) == ["PM-0900"]


async def test_a_task_with_an_open_order_is_one_entry_with_the_orders_id(plant: SamplePlant):
    found = (await upcoming(plant, machine_id="RB-110"))["WO-0002"]
    assert (found["task_id"], found["work_order_id"], found["technician_id"]) == ("PM-RB110-01", "WO-0002", "E102")
    assert (found["due_on"], found["start"]) == ("2026-11-23", "2026-11-23T21:00:00Z")
    assert "PM-RB110-01" not in await upcoming(plant, horizon_days=365)


@pytest.mark.parametrize("state", [WorkOrderState.DONE, WorkOrderState.CANCELLED])
async def test_an_order_that_is_over_is_not_listed(plant: SamplePlant, state: WorkOrderState):
    await stored(plant, order(state=state, task_id="PM-MC101-04"))
    found = await upcoming(plant, machine_id="MC-101")
    assert "WO-0900" not in found
    assert "PM-MC101-04" in found


async def test_an_order_without_a_due_day_is_due_on_its_day_at_the_site(plant: SamplePlant):
    await stored(plant, order(start=datetime(2026, 11, 25, 3, tzinfo=UTC), kind=MaintenanceKind.CORRECTIVE))
    found = (await upcoming(plant, machine_id="MC-101"))["WO-0900"]
    assert (found["due_on"], found["state"], found["kind"]) == ("2026-11-24", "planned", "corrective")


async def test_a_technicians_list_is_their_orders(plant: SamplePlant):
    assert set(await upcoming(plant, technician_id="E102")) == {"WO-0002", "WO-0004"}


async def test_a_meter_is_predicted_and_says_so(plant: SamplePlant):
    found = await upcoming(plant, machine_id="MC-103")
    assert found["PM-MC103-03"]["predicted"] is True
    assert found["PM-MC103-04"]["predicted"] is False


async def test_a_meter_that_was_never_read_is_named(plant: SamplePlant):
    silent = task(calendar_interval=None, calendar_unit=None, meter_interval=1000.0)
    await stored(plant, plan("PM-0900"), silent)
    answer = await plant.call("get_upcoming_schedules", {"project": "ALPHA", "machine_id": "TQ-123"})
    assert answer["items"] == []
    assert answer["warnings"] == ["Due by meter, but no day can be told: PM-0900 (the meter was not read yet)."]


async def test_a_larger_task_of_the_day_takes_in_the_smaller(plant: SamplePlant):
    larger = task(id="PM-0901", title="Full service", calendar_interval=60, est_min=90)
    await stored(plant, plan("PM-0900", "PM-0901"), task(), larger)
    found = await upcoming(plant, machine_id="TQ-123")
    assert {item: found[item]["absorbs"] for item in found} == {"PM-0901": ["PM-0900"]}


async def test_ordered_work_is_listed_even_where_a_larger_task_would_include_it(plant: SamplePlant):
    larger = task(id="PM-0901", title="Full service", calendar_interval=60, est_min=90)
    ordered = order(machine_id="TQ-123", task_id="PM-0900", due_on=date(2026, 12, 1), duration_min=20)
    await stored(plant, plan("PM-0900", "PM-0901"), task(), larger, ordered)
    assert set(await upcoming(plant, machine_id="TQ-123")) == {"PM-0901", "WO-0900"}


@pytest.mark.parametrize(("field", "wanted"), [("machine_id", "MC-999"), ("technician_id", "E999")])
async def test_an_unknown_machine_or_person_is_refused(plant: SamplePlant, field: str, wanted: str):
    failure = await plant.refused("get_upcoming_schedules", {"project": "ALPHA", field: wanted})
    assert (failure.code, failure.field) == ("not_found", field)


async def test_shared_machines_are_on_every_projects_list(plant: SamplePlant):
    assert "PM-CF411-01" in await upcoming(plant, project="BETA")
    assert not {i["project"] for i in (await upcoming(plant, project="BETA")).values()} - {"BETA", "SHARED"}


async def test_work_on_a_shared_machine_is_due_on_the_day_at_its_site(plant: SamplePlant):
    """Three in the morning in Brno is the evening before in Lakeside, where the compressor stands."""
    async with plant.backend.unit_of_work() as unit:
        await unit.insert(order(project="SHARED", machine_id="AC-401", start=datetime(2026, 12, 10, 2, tzinfo=UTC)))
    for project in ("ALPHA", "GAMMA"):
        assert (await upcoming(plant, project=project))["WO-0900"]["due_on"] == "2026-12-09"
