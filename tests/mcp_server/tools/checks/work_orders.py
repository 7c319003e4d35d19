"""Cases for the tools that plan, move and cancel work orders."""

from datetime import timedelta
from typing import Any

from tests.support.checks import ALPHA, Case, answering

START = "2026-11-27T08:00:00-06:00"
OTHER_WORK = {"task_id": None, "kind": "corrective", "title": "Replace the way cover", "loto": False}


def schedule(**changes: Any) -> dict[str, Any]:
    """Arguments of `schedule_maintenance` that meet every rule; a change of None leaves the field out."""
    work = {
        "project": "ALPHA",
        "machine_id": "MC-101",
        "task_id": "PM-MC101-02",
        "start": START,
        "technician_id": "E100",
    }
    return {name: value for name, value in (work | changes).items() if value is not None}


def move(**changes: Any) -> dict[str, Any]:
    """Arguments of `reschedule_maintenance` for the repair of LT-131, which the sample plant has planned."""
    return ALPHA | {
        "wo_id": "WO-0003",
        "expected_revision": 1,
        "new_start": "2026-11-25T08:00:00-06:00",
        "reason": "The adapter arrives a day later.",
        **changes,
    }


def cancel(**changes: Any) -> dict[str, Any]:
    return ALPHA | {"wo_id": "WO-0003", "expected_revision": 1, "reason": "The supplier did it.", **changes}


def earlier(result: Any) -> dict[str, Any]:
    return {"record": result.record.model_copy(update={"start": result.record.start - timedelta(days=1)})}


def another_one(result: Any) -> dict[str, Any]:
    return {"record": result.record.model_copy(update={"id": "WO-0006", "machine_id": "MC-106"})}


VALID: dict[str, dict[str, Any]] = {
    "schedule_maintenance": schedule(),
    "reschedule_maintenance": move(),
    "cancel_maintenance": cancel(),
}

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("schedule_maintenance", "machine_is_in_use"): Case(
        "precondition", "machine_id", schedule(machine_id="MC-104", task_id="PM-MC104-02")
    ),
    ("schedule_maintenance", "_work_is_described"): Case("validation", "kind", schedule(task_id=None)),
    ("schedule_maintenance", "_is_no_daily_check"): Case(
        "precondition", "task_id", schedule(task_id="PM-MC101-01", start="2026-11-22T08:00:00-06:00")
    ),
    ("schedule_maintenance", "_task_has_no_open_order"): Case(
        "conflict",
        "task_id",
        schedule(start="2026-11-28T08:00:00-06:00"),
        before=("schedule_maintenance", schedule()),
    ),
    ("schedule_maintenance", "_start_is_timely"): Case(
        "precondition", "start", schedule(start="2026-11-20T08:00:00-06:00", override_reason="It was done early.")
    ),
    ("schedule_maintenance", "plan_is_released"): Case("precondition", "task_id", schedule(task_id="PM-MC102-02")),
    ("schedule_maintenance", "technician_can_do_it"): Case(
        "precondition", "technician_id", schedule(task_id="PM-MC101-03", technician_id="E101")
    ),
    ("schedule_maintenance", "nothing_overlaps"): Case(
        "precondition",
        "start",
        schedule(start="2026-11-27T08:29:00-06:00", duration_min=30, technician_id=None, **OTHER_WORK),
        before=("schedule_maintenance", schedule()),
    ),
    ("schedule_maintenance", "lockout_is_in_order"): Case(
        "precondition",
        "machine_id",
        schedule(machine_id="WA-111", task_id="PM-WA111-02", override_reason="It is late already."),
    ),
    ("schedule_maintenance", "overrides_are_explained"): Case(
        "precondition", "start", schedule(start="2026-11-26T08:00:00-06:00")
    ),
    ("reschedule_maintenance", "order_is_planned"): Case("precondition", "wo_id", move(wo_id="WO-0001")),
    ("reschedule_maintenance", "order_is_as_read"): Case("conflict", "expected_revision", move(expected_revision=2)),
    ("reschedule_maintenance", "_new_start_is_ahead"): Case(
        "precondition", "new_start", move(new_start="2026-11-20T08:00:00-06:00")
    ),
    ("reschedule_maintenance", "_move_passes_the_gates"): Case(
        "precondition", "new_start", move(new_start="2026-11-25T15:00:00-06:00")
    ),
    ("cancel_maintenance", "order_is_planned"): Case("precondition", "wo_id", cancel(wo_id="WO-0001")),
    ("cancel_maintenance", "order_is_as_read"): Case("conflict", "expected_revision", cancel(expected_revision=2)),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("schedule_maintenance", "is_found_at_its_time"): Case(
        "verification_failed", "start", schedule(), run=answering(earlier)
    ),
    ("schedule_maintenance", "window_is_right"): Case(
        "verification_failed", "in_window", schedule(), run=answering(lambda _: {"in_window": False})
    ),
    ("reschedule_maintenance", "is_found_at_its_time"): Case(
        "verification_failed", "start", move(), run=answering(earlier)
    ),
    ("reschedule_maintenance", "window_is_right"): Case(
        "verification_failed", "in_window", move(), run=answering(lambda _: {"in_window": True})
    ),
    ("cancel_maintenance", "is_planned_no_more"): Case(
        "verification_failed", "state", cancel(), run=answering(another_one)
    ),
}
