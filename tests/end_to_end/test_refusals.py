"""What must not get in: each refusal names the field and the way out, and writes nothing."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.end_to_end.programs import Programs

ROW: dict[str, Any] = {
    "spec_id": "SP-001",
    "machine_id": "MC-103",
    "sampling": "full",
    "frequency": "every piece",
    "control_method": "automatic_gauging",
    "reaction_plan": "Stop and call the setter",
    "reaction_owner": "Line supervisor",
}
PLAN: dict[str, Any] = {
    "project": "ALPHA",
    "title": "FC57 housing control plan",
    "phase": "production",
    "material_id": "HSG-FC57",
    "rows": [ROW],
}

REFUSED = {
    "a decommissioned machine": (
        {**PLAN, "rows": [{**ROW, "machine_id": "MC-104"}]},
        "rows[0].machine_id",
        ["MC-103", "MC-105"],
    ),
    "an ambiguous name": (
        {**PLAN, "rows": [{**ROW, "machine_id": "Leak tester 2"}]},
        "rows[0].machine_id",
        ["LT-131", "LT-230"],
    ),
    "an unknown material": ({**PLAN, "material_id": "HSG-FC58"}, "material_id", ["HSG-FC57"]),
    "lsl above usl": ({**PLAN, "rows": [{**ROW, "lsl": 57.03, "usl": 57.0}]}, "rows[0].lsl", []),
    "a missing project": ({name: value for name, value in PLAN.items() if name != "project"}, "project", []),
    "an unknown project": ({**PLAN, "project": "DELTA"}, "project", ["ALPHA", "BETA", "GAMMA"]),
    "an extra argument": ({**PLAN, "fase": "production"}, "fase", ["phase"]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_plan_is_refused_with_a_way_out_and_nothing_is_stored(programs: Programs, what: str):
    arguments, field, alternatives = REFUSED[what]

    code, answer = programs.call("create_quality_plan", arguments)

    assert code == 1
    error = answer["error"]
    assert error["field"] == field
    assert error["message"]
    assert error["suggestion"]
    assert set(alternatives) <= set(error.get("alternatives", []))
    with closing(sqlite3.connect(programs.data_dir / "plant.sqlite3")) as plant:
        queries = ("SELECT count(*) FROM quality_plans WHERE id LIKE 'QP-%'", "SELECT count(*) FROM idempotency_keys")
        assert [plant.execute(query).fetchone() for query in queries] == [(0,), (0,)]


def test_the_same_plan_without_the_fault_is_stored(programs: Programs):
    code, answer = programs.call("create_quality_plan", PLAN)

    assert (code, answer["status"]) == (0, "created")


def test_wrong_usage_is_told_apart_from_a_refusal(programs: Programs):
    assert programs.server("call", "create_quality_plan", "{not json").returncode == 2
    assert programs.server("call", "create_quality_plans", "{}").returncode == 2
