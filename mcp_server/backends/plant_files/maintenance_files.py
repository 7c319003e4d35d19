"""The files of maintenance: tasks and their dates, what was done, and work orders."""

from mcp_server.backends.plant_files.cells import AMOUNT, COUNT, DAY, FLAG, LIST, MOMENT, POSITIVE, TEXT, one_of
from mcp_server.backends.plant_files.columns import DONE, PROJECT, Column, PlantFile, may, ref, unread, when
from mcp_server.domain.records import MaintenanceKind, Strategy, WorkOrderState

__all__ = ["MAINTENANCE_FILES"]

MAINTENANCE_FILES = (
    PlantFile(
        "pm_plans",
        (
            Column("pm_id"),
            ref("machine_id", "machines"),
            PROJECT,
            Column("task"),
            Column("trigger", one_of(("calendar", "meter"))),
            Column("interval", POSITIVE),
            Column("unit"),
            Column("tolerance_pct", AMOUNT),
            Column("est_min", POSITIVE),
            Column("skill"),
            Column("loto", FLAG),
            Column("strategy", one_of(Strategy)),
        ),
        key=("pm_id",),
    ),
    PlantFile(
        "upcoming_schedules",
        (
            ref("pm_id", "pm_plans"),
            *(Column(name, DAY) for name in ("due_on", "window_start", "window_end")),
            *unread("schedule_id", "machine_id", "project", "est_min", "skill", "loto", "state"),
        ),
        key=("pm_id",),
    ),
    PlantFile(
        "pm_task_details",
        (
            ref("pm_id", "pm_plans"),
            may("last_completed_meter", AMOUNT),
            may("next_due_meter", AMOUNT),
            may("parts", LIST, "stock_items"),
        ),
        key=("pm_id",),
    ),
    PlantFile(
        "maintenance_history",
        (
            Column("history_id"),
            ref("machine_id", "machines"),
            PROJECT,
            may("pm_id", TEXT, "pm_plans"),
            Column("type", one_of(MaintenanceKind)),
            Column("summary"),
            when(("pm_id", None), "due_on", DAY),
            Column("completed_on", DAY),
            Column("labor_min", COUNT),
            Column("downtime_min", COUNT),
            Column("skill"),
            may("notes"),
            *unread("status"),
        ),
        key=("history_id",),
    ),
    PlantFile(
        "work_orders",
        (
            Column("id"),
            ref("machine_id", "machines"),
            may("task_id", TEXT, "pm_plans"),
            Column("kind", one_of(MaintenanceKind)),
            Column("title"),
            Column("state", one_of(WorkOrderState)),
            Column("start", MOMENT),
            Column("duration_min", POSITIVE),
            may("technician_id", TEXT, "people"),
            when(DONE, "skill"),
            Column("loto", FLAG),
            Column("priority", POSITIVE),
            may("reason"),
            Column("created_at", MOMENT),
            when(DONE, "completed_at", MOMENT),
            when(DONE, "labor_min", COUNT),
            when(DONE, "downtime_min", COUNT),
            may("findings"),
        ),
        key=("id",),
    ),
)
