"""Maintenance: plans and their tasks, work orders, and the history of what was done."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mcp_server.domain.records.base import ChangedRecord, Document, Part, Record

__all__ = [
    "CalendarUnit",
    "MaintenanceKind",
    "MaintenanceRecord",
    "PartUsed",
    "PmPlan",
    "PmTask",
    "Strategy",
    "WorkOrder",
    "WorkOrderState",
]

CalendarUnit = Literal["d", "w", "m", "y"]
"""Days, weeks, months, years."""


class Strategy(StrEnum):
    """`fixed`: the next date counts from the last scheduled one; `floating`: from the last completion."""

    FIXED = "fixed"
    FLOATING = "floating"


class MaintenanceKind(StrEnum):
    PREVENTIVE = "preventive"
    CORRECTIVE = "corrective"
    BREAKDOWN = "breakdown"
    CALIBRATION = "calibration"


class WorkOrderState(StrEnum):
    PLANNED = "planned"
    DONE = "done"
    CANCELLED = "cancelled"


class PmPlan(Document):
    """A preventive maintenance plan of one machine; its tasks are `PmTask` records with its id, listed in order."""

    noun: ClassVar[str] = "maintenance plan"

    machine_id: str
    task_ids: tuple[str, ...]


class PmTask(ChangedRecord):
    """One recurring task. At least one of the two triggers is given; with both, whichever comes first.

    `calendar_interval` counts `calendar_unit`s; `meter_interval` is in the unit of the machine's meter.
    `anchor_on` is the day a fixed schedule counts from; its day of the month is kept when a month is too short.
    `next_due_on` is a day at the site, for a meter a prediction; `next_due_meter` is the meter's value.
    """

    noun: ClassVar[str] = "maintenance task"

    project: str
    plan_id: str
    machine_id: str
    title: str
    calendar_interval: int | None = None
    calendar_unit: CalendarUnit | None = None
    meter_interval: float | None = None
    strategy: Strategy
    tolerance_pct: float
    est_min: int
    skill: str
    loto: bool
    sop_id: str | None = None
    parts: tuple[str, ...] = ()
    anchor_on: date
    last_scheduled_on: date | None = None
    last_completed_on: date | None = None
    last_completed_meter: float | None = None
    next_due_on: date | None = None
    next_due_meter: float | None = None


class WorkOrder(ChangedRecord):
    """One planned piece of maintenance work. Times are UTC; `due_on` and the window are days at the site.

    `task_id` names the recurring task it fulfils. `technician_id` is a person; `duration_min` minutes of work.
    """

    noun: ClassVar[str] = "work order"

    project: str
    machine_id: str
    task_id: str | None = None
    kind: MaintenanceKind
    title: str
    state: WorkOrderState
    start: datetime
    duration_min: int
    technician_id: str | None = None
    skill: str | None = None
    loto: bool = False
    priority: int
    reason: str | None = None
    backdated_reason: str | None = None
    override_reason: str | None = None
    due_on: date | None = None
    window_start: date | None = None
    window_end: date | None = None
    created_at: datetime
    created_by: str
    completed_at: datetime | None = None
    moved_reason: str | None = None
    cancelled_reason: str | None = None


class PartUsed(Part):
    """A part or consumable taken from stock; `qty` in the stock item's unit."""

    stock_id: Annotated[str, Field(max_length=40, description="Stock item")]
    qty: Annotated[float, Field(ge=0.001, le=100_000, description="In its unit")] = 1


class MaintenanceRecord(Record):
    """Work that was done: one entry of a machine's history. Never changed once stored.

    `completed_on` is a day at the site, `completed_at` the moment in UTC where it is known.
    `in_window`: whether a preventive task was done within its tolerance; None where there was no window.
    """

    noun: ClassVar[str] = "history record"

    project: str
    machine_id: str
    task_id: str | None = None
    work_order_id: str | None = None
    type: MaintenanceKind
    summary: str
    due_on: date | None = None
    completed_on: date
    completed_at: datetime | None = None
    in_window: bool | None = None
    labor_min: int
    downtime_min: int
    skill: str
    technician_id: str | None = None
    meter_reading: float | None = None
    parts: tuple[PartUsed, ...] = ()
    findings: str | None = None
    follow_up: str | None = None
