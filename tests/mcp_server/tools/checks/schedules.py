"""Cases for get_upcoming_schedules."""

from typing import Any

from mcp_server.domain.records import WorkOrder
from tests.support.checks import ALPHA, Case, answering, each, lying


def _all_planned(result: Any) -> dict[str, Any]:
    return {"items": tuple(item.model_copy(update={"state": "planned"}) for item in result.items)}


def _backwards(result: Any) -> dict[str, Any]:
    return {"items": result.items[::-1]}


VALID: dict[str, dict[str, Any]] = {
    "get_upcoming_schedules": {
        "project": "ALPHA",
        "horizon_days": 60,
        "machine_id": "RB-110",
        "state": "due",
        "technician_id": "E102",
        "include_daily": True,
    },
}

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("get_upcoming_schedules", "_references_exist"): Case("not_found", "machine_id", ALPHA | {"machine_id": "MC-999"}),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("get_upcoming_schedules", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA, lies=lying(WorkOrder, each(project="BETA"))
    ),
    ("get_upcoming_schedules", "_states_are_todays"): Case(
        "verification_failed", "state", ALPHA, run=answering(_all_planned)
    ),
    ("get_upcoming_schedules", "_work_is_listed_once"): Case(
        "verification_failed", "items", ALPHA, run=answering(_backwards)
    ),
}
