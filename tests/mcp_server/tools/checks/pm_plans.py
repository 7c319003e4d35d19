"""Cases for create_pm_plan."""

from datetime import timedelta
from typing import Any

from mcp_server.domain.records import PmTask
from tests.support.checks import Case, answering
from tests.support.sample_plant import Lies


def pm_task(**changes: Any) -> dict[str, Any]:
    """A task that meets every rule; a change of None leaves the field out."""
    task = {
        "title": "Coolant concentration",
        "every": 3,
        "unit": "m",
        "est_min": 45,
        "skill": "mechanical",
        "loto": True,
    }
    return {name: value for name, value in (task | changes).items() if value is not None}


def pm_plan(*tasks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Arguments of `create_pm_plan` that meet every rule."""
    return {"project": "ALPHA", "machine_id": "MC-103", "tasks": list(tasks) or [pm_task()], **changes}


def _a_week_later(result: Any) -> dict[str, Any]:
    first, *rest = result.tasks
    return {"tasks": (first.model_copy(update={"next_due_on": first.next_due_on + timedelta(days=7)}), *rest)}


def _another_skill(record: Any) -> Any:
    return record.model_copy(update={"skill": "operator"}) if isinstance(record, PmTask) else record


VALID: dict[str, dict[str, Any]] = {
    "create_pm_plan": pm_plan(
        pm_task(
            title="Spindle service kit",
            first_due="2027-01-31",
            meter_every=500.0,
            meter_unit="spindle_h",
            strategy="floating",
            tolerance_pct=10.0,
            sop_id="SOP-A-020",
            parts=["SPR-SPINDLE-KIT"],
        ),
        title="Spindles of the front caliper line",
    )
}

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("create_pm_plan", "_machine_is_active"): Case("precondition", "machine_id", pm_plan(machine_id="MC-104")),
    ("create_pm_plan", "_triggers_are_whole"): Case(
        "precondition", "tasks[1].every", pm_plan(pm_task(), pm_task(title="Way wipers", every=None, unit=None))
    ),
    ("create_pm_plan", "_meter_is_the_machines"): Case(
        "precondition", "tasks[0].meter_unit", pm_plan(pm_task(meter_every=500.0, meter_unit="cycles"))
    ),
    ("create_pm_plan", "_references_exist"): Case(
        "not_found", "tasks[0].parts[1]", pm_plan(pm_task(parts=["SPR-SPINDLE-KIT", "SPR-SPINDLE-BIT"]))
    ),
    ("create_pm_plan", "_isolation_is_possible"): Case("precondition", "tasks[0].loto", pm_plan(machine_id="CV-142")),
    ("create_pm_plan", "_tasks_are_new"): Case(
        "conflict", "tasks[0].title", pm_plan(pm_task(title="500 h spindle & way service"))
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("create_pm_plan", "_tasks_are_as_asked"): Case(
        "verification_failed", "tasks[0]", pm_plan(), lies=Lies(insert=_another_skill)
    ),
    ("create_pm_plan", "_first_due_is_recomputed"): Case(
        "verification_failed", "tasks[0]", pm_plan(), run=answering(_a_week_later)
    ),
}
