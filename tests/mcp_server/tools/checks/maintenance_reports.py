"""Cases for the tools that report on maintenance."""

from typing import Any

from mcp_server.domain.records import MaintenanceRecord
from tests.support.checks import ALPHA, Case, answering, each, lying

QUARTER = ALPHA | {"from_on": "2026-08-24", "to_on": "2026-11-22"}
BACKWARDS = ALPHA | {"from_on": "2026-11-22", "to_on": "2026-08-24"}

VALID: dict[str, dict[str, Any]] = {
    "get_maintenance_history": {"project": "ALPHA"},
    "get_maintenance_kpis": QUARTER,
}

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("get_maintenance_history", "_machine_exists"): Case("not_found", "machine_id", ALPHA | {"machine_id": "LT-13"}),
    ("get_maintenance_history", "days_are_in_order"): Case("precondition", "from_on", BACKWARDS),
    ("get_maintenance_kpis", "days_are_in_order"): Case("precondition", "from_on", BACKWARDS),
    ("get_maintenance_kpis", "_scope_is_clear"): Case("not_found", "line", QUARTER | {"line": "ALPHA-M9"}),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("get_maintenance_history", "page_is_as_asked"): Case(
        "verification_failed",
        None,
        ALPHA | {"machine_id": "LT-131"},
        lies=lying(MaintenanceRecord, each(machine_id="LT-130")),
    ),
    ("get_maintenance_history", "_newest_come_first"): Case(
        "verification_failed", None, ALPHA, run=answering(lambda result: {"items": result.items[::-1]})
    ),
    ("get_maintenance_history", "_totals_are_of_all_pages"): Case(
        "verification_failed",
        "totals",
        ALPHA,
        run=answering(lambda result: {"totals": result.totals.model_copy(update={"count": 50})}),
    ),
    ("get_maintenance_kpis", "_values_follow_from_their_parts"): Case(
        "verification_failed",
        "mttr",
        QUARTER,
        run=answering(lambda result: {"mttr": result.mttr.model_copy(update={"value": 9.0})}),
    ),
    ("get_maintenance_kpis", "_failures_are_the_breakdowns"): Case(
        "verification_failed",
        "failures",
        QUARTER | {"machine_id": "LT-130"},
        run=answering(lambda result: {"failures": result.failures + 1}),
    ),
}
