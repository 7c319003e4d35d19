"""Maintenance of the sample plant: what is stored as due is what the rules compute, and work orders are possible."""

from datetime import date, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest

from mcp_server.backends.sql.seed import SAMPLE_AS_OF
from mcp_server.domain.maintenance import lockout
from mcp_server.domain.maintenance.meters import meter_series
from mcp_server.domain.maintenance.recurrence import NextDue, due_window, next_due, window
from mcp_server.domain.maintenance.work_orders import hinders_production, holds, on_shift, overlapping, slot_of
from mcp_server.domain.records import (
    Machine,
    MaintenanceRecord,
    MeterReading,
    Person,
    PlantDay,
    PmPlan,
    PmTask,
    Project,
    Sop,
    StockItem,
    WorkOrder,
    WorkOrderState,
)
from tests.mcp_server.backends.test_seed import by_id, every
from tests.support.sample_plant import AS_OF

SITE = "America/Chicago"


def zone_of(project: str) -> str:
    return {p.id: p.time_zone for p in every(Project)}.get(project, SITE)


def computed(as_of: date) -> dict[str, NextDue]:
    """What the rules say is due next, by task; machines out of service are left out."""
    readings: dict[str, list[MeterReading]] = {}
    for reading in every(MeterReading, as_of):
        readings.setdefault(reading.machine_id, []).append(reading)
    return {
        task.id: next_due(
            task, readings=meter_series(readings.get(task.machine_id, ()), zone_of(task.project)), today=as_of
        )
        for task in every(PmTask, as_of)
        if task.machine_id != "MC-104"
    }


@pytest.mark.parametrize("as_of", [AS_OF, SAMPLE_AS_OF])
def test_the_stored_due_day_is_the_computed_one(as_of: date):
    due = computed(as_of)
    assert len(due) == 88
    for task in every(PmTask, as_of):
        if task.id not in due:
            assert task.next_due_on is None
            continue
        found = due[task.id]
        assert found.on is not None, (task.id, found.reason)
        assert task.next_due_on is not None
        assert abs(found.on - task.next_due_on) <= timedelta(days=1 if task.meter_interval else 0), (task.id, found)
        assert found.reason is None


def test_exactly_the_overdue_tasks_of_the_files_are_overdue():
    tasks, overdue = by_id(PmTask), set[str]()
    for task_id, due in computed(AS_OF).items():
        window_of = due_window(tasks[task_id], due)
        assert window_of is not None
        if window_of[1] < AS_OF:
            overdue.add(task_id)
    assert overdue == {"PM-MC105-03", "PM-WA111-02", "PM-LT131-02", "PM-AC401-01"}


def test_every_plan_lists_its_tasks_and_every_machine_has_one():
    tasks = every(PmTask)
    for plan in every(PmPlan):
        assert plan.task_ids == tuple(task.id for task in tasks if task.plan_id == plan.id)
        assert {task.machine_id for task in tasks if task.plan_id == plan.id} == {plan.machine_id}
    assert {plan.machine_id for plan in every(PmPlan)} == {machine.id for machine in every(Machine)}
    assert [plan.machine_id for plan in every(PmPlan) if plan.state != "released"] == ["MC-104"]


def test_every_part_a_task_needs_is_kept_in_its_store():
    stock = by_id(StockItem)
    for task in every(PmTask):
        assert all(stock[part].project in {task.project, "SHARED"} for part in task.parts), task.id


def test_the_window_of_the_history_is_that_of_its_task():
    tasks = by_id(PmTask)
    judged = [record for record in every(MaintenanceRecord) if record.in_window is not None]
    assert len(judged) > 1_500
    for record in judged:
        task = tasks[record.task_id or ""]
        if task.calendar_interval is not None and record.due_on is not None:
            first, last = window(record.due_on, task.calendar_interval, task.tolerance_pct)
            assert record.in_window is (first <= record.completed_on <= last), record.id


def test_meters_count_up_and_no_machine_runs_more_than_a_day_a_day():
    meters = {machine.id: machine.meter for machine in every(Machine)}
    seen: dict[str, MeterReading] = {}
    for reading in sorted(every(MeterReading), key=lambda reading: reading.read_at):
        before = seen.get(reading.machine_id)
        if before is not None:
            hours = (reading.read_at - before.read_at) / timedelta(hours=1)
            assert before.value <= reading.value
            if meters[reading.machine_id].endswith("_h"):
                assert reading.value - before.value <= hours, reading.id
        seen[reading.machine_id] = reading
    assert set(seen) >= {task.machine_id for task in every(PmTask) if task.meter_interval and task.next_due_on}


def test_planned_work_orders_are_ones_we_would_have_planned():
    people, days, sops = by_id(Person), every(PlantDay), every(Sop)
    planned = [order for order in every(WorkOrder) if order.state is WorkOrderState.PLANNED]
    assert len(planned) >= 5
    for order in planned:
        slot, zone = slot_of(order.start, order.duration_min), zone_of(order.project)
        technician = people[order.technician_id or ""]
        assert holds(technician, order.skill), order.id
        assert on_shift(technician.shift, order.start, zone), order.id
        assert not hinders_production(slot, [day for day in days if day.project == order.project], zone)
        if order.loto:
            assert lockout.lockout_problem(by_id(Machine)[order.machine_id], sops, AS_OF) is None, order.id
            assert holds(technician, "loto_authorized")
        if order.window_start is not None and order.window_end is not None:
            assert order.window_start <= order.start.astimezone(ZoneInfo(zone)).date() <= order.window_end
    for one, other in combinations(planned, 2):
        if one.technician_id == other.technician_id or one.machine_id == other.machine_id:
            assert not overlapping(slot_of(one.start, one.duration_min), [other])


def test_a_finished_work_order_stands_in_the_history_once():
    done = [order.id for order in every(WorkOrder) if order.state is WorkOrderState.DONE]
    assert [record.work_order_id for record in every(MaintenanceRecord) if record.work_order_id] == done == ["WO-0001"]


def test_only_the_washers_inspection_is_overdue_and_only_the_conveyor_has_no_lockout():
    machines, sops = by_id(Machine), every(Sop)
    locked = {task.machine_id for task in every(PmTask) if task.loto and task.next_due_on is not None}
    problems = {m: lockout.lockout_problem(machines[m], sops, AS_OF) for m in sorted(locked)}
    assert {m for m, problem in problems.items() if problem} == {"WA-111", "WA-211", "WA-321", "CV-142"}
    assert "last inspected" in str(problems["WA-111"])
    assert "No released lockout procedure" in str(problems["CV-142"])
