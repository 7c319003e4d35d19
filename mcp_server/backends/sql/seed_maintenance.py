"""Maintenance of the sample plant: plans and tasks, work orders, and the history of what was done."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from mcp_server.backends.sql.seed_files import SampleFiles, listed, number, read
from mcp_server.backends.sql.seed_procedures import lockout_of_machine
from mcp_server.domain.maintenance.recurrence import window
from mcp_server.domain.records import (
    DocumentState,
    MaintenanceKind,
    MaintenanceRecord,
    PmPlan,
    PmTask,
    Signature,
    WorkOrder,
    WorkOrderState,
)

__all__ = ["history", "pm_plans", "pm_tasks", "work_orders"]

_FIRST_PLANS_ON = "2024-06-28"
_RETIRED_ON = "2026-02-27"
_AUTHOR = "E100"
_MANAGER = "E114"

Row = dict[str, str]


def pm_plans(files: SampleFiles) -> Iterator[PmPlan]:
    """One plan a machine. That of a machine which is out of service is withdrawn."""
    machines = {row["machine_id"]: row for row in files.rows("machines")}
    for machine_id, tasks in files.grouped("pm_plans", "machine_id").items():
        machine = machines[machine_id]
        on = machine["commissioned_on"] if files.are_own else max(_FIRST_PLANS_ON, machine["commissioned_on"])
        retired = machine["status"] == "decommissioned"
        yield PmPlan(
            id=_plan_of(machine_id),
            project=machine["project"],
            title=f"Preventive maintenance of {machine_id} {machine['name']}",
            revision=1,
            state=DocumentState.WITHDRAWN if retired else DocumentState.RELEASED,
            signatures=tuple(_signatures(files, on, retired=retired)),
            created_at=files.at(on, 8),
            created_by=files.author(_AUTHOR),
            machine_id=machine_id,
            task_ids=tuple(task["pm_id"] for task in tasks),
        )


def pm_tasks(files: SampleFiles) -> Iterator[PmTask]:
    """A task that is on no schedule, because its machine is out of service, has no next date."""
    scheduled = {row["pm_id"]: row["due_on"] for row in files.rows("upcoming_schedules")}
    details = {row["pm_id"]: row for row in files.rows("pm_task_details")}
    commissioned = {row["machine_id"]: row["commissioned_on"] for row in files.rows("machines")}
    lockouts, done = lockout_of_machine(files), _last_done(files)
    for row in files.rows("pm_plans"):
        due, last = scheduled.get(row["pm_id"]), done.get(row["pm_id"])
        detail = details.get(row["pm_id"], {})
        yield read(
            PmTask,
            row | _trigger(row),
            id=row["pm_id"],
            title=row["task"],
            plan_id=_plan_of(row["machine_id"]),
            loto=row["loto"] == "Y",
            sop_id=lockouts.get(row["machine_id"]) if row["loto"] == "Y" else None,
            parts=listed(detail.get("parts", "")),
            anchor_on=files.day(due or (last["due_on"] if last else commissioned[row["machine_id"]])),
            last_scheduled_on=_last_scheduled(files, row, last, due),
            last_completed_on=files.day(last["completed_on"]) if last else None,
            last_completed_meter=number(detail.get("last_completed_meter", "")),
            next_due_on=files.day(due) if due else None,
            next_due_meter=number(detail.get("next_due_meter", "")),
        )


def work_orders(files: SampleFiles) -> Iterator[WorkOrder]:
    machines = {row["machine_id"]: row["project"] for row in files.rows("machines")}
    scheduled = {row["pm_id"]: row for row in files.rows("upcoming_schedules")}
    for row in files.rows("work_orders"):
        times = {name: files.moment(row[name]) for name in ("start", "created_at", "completed_at") if row[name]}
        planned = scheduled.get(row["task_id"], {}) if row["state"] == WorkOrderState.PLANNED else {}
        days = {name: files.day(planned[name]) for name in ("due_on", "window_start", "window_end") if planned}
        yield read(
            WorkOrder,
            row,
            project=machines[row["machine_id"]],
            loto=row["loto"] == "Y",
            created_by=files.author(_MANAGER),
            **times,
            **days,
        )


def history(files: SampleFiles) -> Iterator[MaintenanceRecord]:
    """The given history, and what the finished work orders add to it."""
    tolerances, tasks = _tolerances(files), _tasks_of_orders(files)
    for row in [*files.rows("maintenance_history"), *tasks]:
        due, completed = files.day_or_none(row["due_on"]), files.day(row["completed_on"])
        tolerance = tolerances.get(row["pm_id"])
        yield MaintenanceRecord(
            id=row["history_id"],
            project=row["project"],
            machine_id=row["machine_id"],
            task_id=row["pm_id"] or None,
            work_order_id=row.get("work_order_id"),
            type=MaintenanceKind(row["type"]),
            summary=row["summary"],
            due_on=due,
            completed_on=completed,
            completed_at=files.moment(row["completed_at"]) if "completed_at" in row else None,
            in_window=None if tolerance is None or due is None else abs(completed - due) <= tolerance,
            labor_min=int(row["labor_min"]),
            downtime_min=int(row["downtime_min"]),
            skill=row["skill"],
            technician_id=row.get("technician_id"),
            findings=row["notes"] or None,
        )


def _plan_of(machine_id: str) -> str:
    return f"PMP-{machine_id.replace('-', '')}"


def _signatures(files: SampleFiles, on: str, *, retired: bool) -> Iterator[Signature]:
    if files.are_own:
        return
    yield Signature(decision="submit", by=_AUTHOR, role="maintenance_technician", at=files.at(on, 9))
    yield Signature(decision="approve", by=_MANAGER, role="maintenance_manager", at=files.at(on, 13))
    yield Signature(decision="release", by=_MANAGER, role="maintenance_manager", at=files.at(on, 14))
    if retired:
        comment, at = "The machine is decommissioned.", files.at(_RETIRED_ON, 10)
        yield Signature(decision="withdraw", by=_MANAGER, role="maintenance_manager", at=at, comment=comment)


def _trigger(row: Row) -> Row:
    if row["trigger"] == "meter":
        return {"meter_interval": row["interval"]}
    return {"calendar_interval": row["interval"], "calendar_unit": row["unit"]}


def _last_done(files: SampleFiles) -> Mapping[str, Row]:
    done = [row for row in (*files.rows("maintenance_history"), *_tasks_of_orders(files)) if row["pm_id"]]
    return {row["pm_id"]: row for row in sorted(done, key=lambda row: row["completed_on"])}


def _last_scheduled(files: SampleFiles, row: Row, last: Row | None, due: str | None) -> date | None:
    """What a fixed schedule counts from: one interval before the next date, unless that is the first of all.

    Daily checks are never missing there: they are scheduled every day and not kept in the history.
    """
    if row["strategy"] == "floating" or due is None:
        return files.day(last["due_on"]) if last else None
    daily = row["interval"] == "1"
    return files.day(due) - timedelta(days=int(row["interval"])) if last or daily else None


def _tolerances(files: SampleFiles) -> dict[str, timedelta]:
    """Days before and after the due day that count as in time; for a meter, those of its next date if it has one."""
    found = {
        row["pm_id"]: files.day(row["due_on"]) - files.day(row["window_start"])
        for row in files.rows("upcoming_schedules")
    }
    for row in files.rows("pm_plans"):
        if row["trigger"] == "calendar":
            first, last = window(files.as_of, int(row["interval"]), float(row["tolerance_pct"]))
            found[row["pm_id"]] = (last - first) / 2
    return found


def _tasks_of_orders(files: SampleFiles) -> list[Row]:
    """The finished work orders as rows of the history."""
    projects = {row["machine_id"]: row["project"] for row in files.rows("machines")}
    first = len(files.rows("maintenance_history")) + 1
    finished = [row for row in files.rows("work_orders") if row["state"] == WorkOrderState.DONE]
    return [
        {
            "history_id": f"MH-{row['id']}" if files.are_own else f"MH-{first + position:05d}",
            "project": projects[row["machine_id"]],
            "machine_id": row["machine_id"],
            "pm_id": row["task_id"],
            "work_order_id": row["id"],
            "type": row["kind"],
            "summary": row["title"],
            "due_on": row["start"][:10],
            "completed_on": row["completed_at"][:10],
            "completed_at": row["completed_at"],
            "labor_min": row["labor_min"],
            "downtime_min": row["downtime_min"],
            "skill": row["skill"],
            "technician_id": row["technician_id"],
            "notes": row["findings"],
        }
        for position, row in enumerate(finished)
    ]
