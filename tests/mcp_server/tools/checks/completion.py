"""Cases for the tool that reports work as done."""

from datetime import date
from typing import Any

from tests.support.checks import ALPHA, Case, answering


def complete(**changes: Any) -> dict[str, Any]:
    """Arguments of `complete_maintenance` for the repair of LT-131, which the sample plant has planned."""
    done = ALPHA | {
        "wo_id": "WO-0003",
        "expected_revision": 1,
        "completed_at": "2026-11-22T05:30:00-06:00",
        "labor_min": 200,
        "downtime_min": 0,
        "findings": "Adapter replaced; the gauge study is at 12 %.",
    }
    return {name: value for name, value in (done | changes).items() if value is not None}


ADAPTER = {"stock_id": "SPR-SEAL-ADAPTER", "qty": 1}

VALID: dict[str, dict[str, Any]] = {"complete_maintenance": complete(parts_used=[ADAPTER])}

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("complete_maintenance", "order_is_planned"): Case(
        "precondition", "wo_id", complete(wo_id="WO-0001", loto_removed=True)
    ),
    ("complete_maintenance", "order_is_as_read"): Case("conflict", "expected_revision", complete(expected_revision=2)),
    ("complete_maintenance", "completion_is_timely"): Case(
        "precondition", "completed_at", complete(completed_at="2026-11-22T06:06:00-06:00")
    ),
    ("complete_maintenance", "locks_are_off"): Case("precondition", "loto_removed", complete(wo_id="WO-0004")),
    ("complete_maintenance", "meter_is_read"): Case(
        "precondition", "meter_reading", complete(wo_id="WO-0006", loto_removed=True, meter_reading=1)
    ),
    ("complete_maintenance", "parts_are_kept"): Case(
        "precondition", "parts_used", complete(parts_used=[ADAPTER, ADAPTER])
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("complete_maintenance", "_history_has_it_once"): Case(
        "verification_failed",
        "history_id",
        complete(),
        run=answering(lambda _: {"history_id": "MH-00001"}),
    ),
    ("complete_maintenance", "_schedule_has_moved_on"): Case(
        "verification_failed",
        "next_due_on",
        complete(wo_id="WO-0004", loto_removed=True),
        run=answering(lambda _: {"next_due_on": date(2026, 11, 29)}),
    ),
}
