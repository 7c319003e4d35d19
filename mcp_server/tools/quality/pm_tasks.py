"""The tasks of a maintenance plan: as they are asked for, as they are stored, and as they are shown."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field

from mcp_server.domain.maintenance.recurrence import Reading, add_interval, due_window, next_due
from mcp_server.domain.records import CalendarUnit, Machine, PmTask, Strategy
from mcp_server.pipeline.declaration import Code, Day, Result

__all__ = ["AS_ASKED", "PlannedTask", "TaskAsked", "shown", "task_record"]

AS_ASKED = ("title", "strategy", "tolerance_pct", "est_min", "skill", "loto", "sop_id", "parts")
"""Fields that a stored task has as they were asked for."""


class TaskAsked(Result):
    title: Annotated[str, Field(min_length=3, max_length=120, description="Work")]
    every: Annotated[int | None, Field(ge=1, le=3650, description="Calendar interval")] = None
    unit: Annotated[CalendarUnit | None, Field(description="Of every")] = None
    meter_every: Annotated[float | None, Field(ge=1, le=10_000_000, description="Meter interval")] = None
    meter_unit: Annotated[str | None, Field(max_length=20, description="e.g. spindle_h")] = None
    strategy: Annotated[Strategy, Field(description="From schedule, or completion")] = Strategy.FIXED
    tolerance_pct: Annotated[float, Field(ge=0, le=50, description="Window, % of interval")] = 10
    est_min: Annotated[int, Field(ge=1, le=2880, description="Minutes")]
    skill: Annotated[str, Field(min_length=2, max_length=40, description="e.g. mechanical")]
    loto: Annotated[bool, Field(description="Needs lockout")]
    sop_id: Annotated[Code | None, Field(description="Work instruction")] = None
    parts: Annotated[tuple[Code, ...], Field(max_length=20, description="Stock item ids")] = ()
    first_due: Annotated[Day | None, Field(description="Default in one interval")] = None


class PlannedTask(PmTask):
    """A task with its first window; `predicted` dates come from meter readings, `note` says what they lack."""

    window_start: date | None = None
    window_end: date | None = None
    predicted: bool = False
    note: str | None = None

    @property
    def window(self) -> tuple[date, date] | None:
        if self.window_start is None or self.window_end is None:
            return None
        return self.window_start, self.window_end


def task_record(
    asked: TaskAsked,
    machine: Machine,
    today: date,
    readings: Sequence[Reading],
    *,
    task_id: str = "",
    plan_id: str = "",
) -> PmTask:
    """The record of a task that was never done: due on its first day, or an interval after the meter's last reading."""
    first = asked.first_due
    if first is None and asked.every is not None and asked.unit is not None:
        first = add_interval(today, asked.every, asked.unit)
    task = PmTask(
        id=task_id,
        project=machine.project,
        plan_id=plan_id,
        machine_id=machine.id,
        calendar_interval=asked.every,
        calendar_unit=asked.unit,
        meter_interval=asked.meter_every,
        anchor_on=first or today,
        next_due_meter=None if asked.meter_every is None or not readings else readings[-1][1] + asked.meter_every,
        **{name: getattr(asked, name) for name in AS_ASKED},
    )
    return task.model_copy(update={"next_due_on": next_due(task, readings=readings, today=today).on})


def shown(task: PmTask, readings: Sequence[Reading], today: date) -> PlannedTask:
    due = next_due(task, readings=readings, today=today)
    first, last = due_window(task, due) or (None, None)
    return PlannedTask(
        **task.model_dump(), window_start=first, window_end=last, predicted=due.predicted, note=due.reason
    )
