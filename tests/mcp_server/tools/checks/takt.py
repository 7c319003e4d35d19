"""Cases for takt time."""

from typing import Any

from tests.support.checks import ALPHA, Case, answering

VALID: dict[str, dict[str, Any]] = {"get_takt_time": ALPHA}

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("get_takt_time", "_line_exists"): Case("not_found", "line", ALPHA | {"line": "ALPHA-A9"}),
    ("get_takt_time", "_there_is_time_and_demand"): Case(
        "precondition", "shifts_per_day", ALPHA | {"shifts_per_day": 4}
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("get_takt_time", "_follows_from_its_inputs"): Case(
        "verification_failed", "takt_s", ALPHA, run=answering(lambda result: {"takt_s": result.takt_s + 1})
    ),
}
