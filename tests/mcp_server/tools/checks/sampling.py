"""Cases for the tools of sampling."""

from typing import Any

from tests.support.checks import Case, answering

VALID: dict[str, dict[str, Any]] = {
    "compute_sampling_plan": {"lot_size": 500, "aql": "1.0"},
}

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("compute_sampling_plan", "_class_fits_aql"): Case(
        "precondition", "special_class", {"lot_size": 500, "aql": "1.0", "special_class": "CC"}
    ),
    ("compute_sampling_plan", "_history_fits_severity"): Case(
        "precondition",
        "recent_lots[1]",
        {"lot_size": 500, "aql": "1.0", "recent_lots": ["accepted", "accepted_in_gap"]},
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("compute_sampling_plan", "_plan_is_the_tables"): Case(
        "verification_failed",
        None,
        {"lot_size": 5_000, "aql": "1.5"},
        run=answering(lambda result: {"accept": result.accept + 1}),
    ),
    ("compute_sampling_plan", "_whole_lot_and_arrow_are_told"): Case(
        "verification_failed",
        "arrow",
        {"lot_size": 4, "aql": "1.0"},
        run=answering(lambda _: {"full_inspection": False}),
    ),
}
