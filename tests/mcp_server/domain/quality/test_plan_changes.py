"""Changes of a control plan as text: every field can be changed, and is held to its own type."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from mcp_server.domain.quality.control_plan import complete_row
from mcp_server.domain.quality.plan_changes import (
    MOST_ROWS,
    Patch,
    PatchedPlan,
    PatchProblem,
    PlanChange,
    PlanField,
    differences,
    patched,
)
from mcp_server.domain.records import DocumentState, Phase, PlanRow, QualityPlan
from tests.mcp_server.domain.quality.test_control_plan import a_row, a_spec

PLAN = QualityPlan(
    id="QP-1",
    project="ALPHA",
    title="Housing",
    revision=1,
    state=DocumentState.DRAFT,
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
    created_by="Faye Kim",
    phase=Phase.PRODUCTION,
    material_id="M-1",
    material_revision="D",
    customer="Meridian",
    core_team=("Quality", "Machining"),
    rows=(a_row(spec_id="SP-1"), a_row(characteristic="Bore depth")),
)
OTHER_VALUES = {
    "spec_id": "SP-2", "operation": "OP30", "machine_id": "MC-103", "characteristic": "Groove width",
    "kind": "process", "unit": "um", "nominal": "57.01", "lsl": "56.95", "usl": "57.05", "special_class": "SC",
    "technique": "CMM", "gauge_id": "AG-01", "sampling": "full", "sample_size": "3", "aql": "1.0",
    "inspection_level": "S-1", "frequency": "every shift", "control_method": "spc_chart",
    "reaction_plan": "Call the line lead.", "reaction_owner": "Operator",
}  # fmt: skip


def change(row: int | None, field: str, value: str | None = None) -> PlanChange:
    return PlanChange.model_validate({"row": row, "field": field, "value": value})


def after(*changes: PlanChange, copy: tuple[int, ...] = (), remove: tuple[int, ...] = ()) -> PatchedPlan:
    return patched(PLAN, Patch(changes, copy, remove))


def problem(*changes: PlanChange, copy: tuple[int, ...] = (), remove: tuple[int, ...] = ()) -> PatchProblem:
    with pytest.raises(PatchProblem) as raised:
        after(*changes, copy=copy, remove=remove)
    assert raised.value.message.endswith(".")
    assert raised.value.suggestion.endswith(".")
    return raised.value


def test_every_field_of_a_row_and_of_the_header_can_be_named() -> None:
    assert set(get_args(PlanField)) == set(PlanRow.model_fields) | {"title", "customer", "core_team"}
    assert set(OTHER_VALUES) == set(PlanRow.model_fields)


@pytest.mark.parametrize("field", OTHER_VALUES)
def test_every_field_of_a_row_takes_its_own_type_from_text(field: str) -> None:
    value = OTHER_VALUES[field]
    row = after(change(1, field, value)).rows[1]
    assert row.model_dump(mode="json")[field] == (
        float(value) if field in {"nominal", "lsl", "usl"} else int(value) if field == "sample_size" else value
    )
    assert PlanRow.model_validate_json(row.model_dump_json()) == row


@pytest.mark.parametrize("field", [f for f, i in PlanRow.model_fields.items() if not i.is_required()])
def test_an_optional_field_is_cleared_by_no_value(field: str) -> None:
    assert getattr(after(change(0, field)).rows[0], field) is None


@pytest.mark.parametrize("field", [f for f, i in PlanRow.model_fields.items() if i.is_required()])
def test_a_required_field_cannot_be_cleared(field: str) -> None:
    found = problem(change(0, field))
    assert (found.field, found.message) == ("changes[0].value", f"{field} is required.")


@pytest.mark.parametrize(
    ("field", "value", "said", "alternatives"),
    [
        ("usl", "57,1", "must be a number", ()),
        ("usl", "nan", "must be a finite number", ()),
        ("usl", "1e13", "must be less than or equal to", ()),
        ("sample_size", "2.5", "must be a whole number", ()),
        ("sample_size", "0", "must be greater than or equal to 1", ()),
        ("kind", "CC", "is not one of the allowed values", ("product", "process")),
        ("inspection_level", "IV", "is not one of", ("I", "II", "III", "S-1", "S-2", "S-3", "S-4")),
        ("frequency", "x", "must have at least 2 characters", ()),
        ("unit", "x" * 21, "must have at most 20 characters", ()),
    ],
)
def test_a_value_that_does_not_fit_is_refused_at_its_change(
    field: str, value: str, said: str, alternatives: tuple[str, ...]
) -> None:
    found = problem(change(1, "technique", "CMM"), change(0, field, value))
    assert found.field == "changes[1].value"
    assert said in found.message
    assert field in found.suggestion
    assert found.alternatives == alternatives


def test_rows_that_are_not_named_stay_the_very_same() -> None:
    assert after(change(0, "usl", "57.05")).rows[1] is PLAN.rows[1]


def test_a_new_specification_fills_in_its_row_anew() -> None:
    row = after(change(0, "spec_id", "SP-2"), change(0, "usl", "57.05")).rows[0]
    assert (row.characteristic, row.nominal, row.lsl, row.usl, row.technique) == (None, None, None, 57.05, None)
    whole = complete_row(row, a_spec(id="SP-2", characteristic="Depth", nominal=57.0, lsl=56.9, usl=57.1))
    assert (whole.characteristic, whole.lsl, whole.usl) == ("Depth", 56.9, 57.05)


def test_a_row_that_leaves_its_specification_keeps_what_it_says() -> None:
    row = after(change(0, "spec_id")).rows[0]
    assert row == PLAN.rows[0].model_copy(update={"spec_id": None})


def test_another_way_of_sampling_drops_the_figures_of_the_old_one() -> None:
    assert after(change(0, "sampling", "full")).rows[0].sample_size is None
    row = after(change(0, "sampling", "aql"), change(0, "aql", "1.0")).rows[0]
    assert (row.sample_size, row.aql) == (None, "1.0")
    assert after(change(0, "sampling", "fixed")).rows[0].sample_size == 5


def test_copies_follow_the_last_row_and_can_be_changed_there() -> None:
    found = after(change(2, "machine_id", "MC-103"), copy=(0, 1), remove=(1,))
    assert found.positions == (0, 2, 3)
    assert [row.machine_id for row in found.rows] == [None, "MC-103", None]
    assert found.rows[2] == PLAN.rows[1]


def test_the_header_is_changed_without_a_row() -> None:
    found = after(change(None, "title", "Housing FC57"), change(None, "customer"), change(None, "core_team", "A; B ;"))
    assert (found.title, found.customer, found.core_team) == ("Housing FC57", None, ("A", "B"))


@pytest.mark.parametrize(
    ("changes", "copy", "remove", "field"),
    [
        ((change(2, "usl", "57"),), (), (), "changes[0].row"),
        ((change(4, "usl", "57"),), (0, 1), (), "changes[0].row"),
        ((change(None, "usl", "57"),), (), (), "changes[0].row"),
        ((change(0, "title", "Housing FC57"),), (), (), "changes[0].row"),
        ((change(0, "usl", "57"),), (), (0,), "changes[0].row"),
        ((change(0, "usl", "57"), change(0, "usl", "57")), (), (), "changes[1].field"),
        ((change(None, "title", "x"),), (), (), "changes[0].value"),
        ((change(None, "title"),), (), (), "changes[0].value"),
        ((change(None, "core_team", "x" * 81),), (), (), "changes[0].value"),
        ((), (2,), (), "copy_rows[0]"),
        ((), (), (0, 5), "remove_rows[1]"),
        ((), (), (0, 1), "remove_rows"),
        ((), (0,) * (MOST_ROWS - 1), (), "copy_rows"),
    ],
)
def test_what_does_not_fit_the_plan_is_refused_at_its_place(
    changes: tuple[PlanChange, ...], copy: tuple[int, ...], remove: tuple[int, ...], field: str
) -> None:
    assert problem(*changes, copy=copy, remove=remove).field == field


def test_differences_are_told_field_by_field() -> None:
    found = after(change(None, "core_team", "Quality"), change(1, "usl", "57.05"), copy=(1,), remove=(0,))
    new = PLAN.model_copy(
        update={"rows": found.rows, "core_team": found.core_team, "revision": 2, "material_revision": "E"}
    )
    told = [(d.row, d.field, d.before, d.after) for d in differences(PLAN, new, found.positions)]
    assert told == [
        (None, "core_team", "Quality; Machining", "Quality"),
        (None, "material_revision", "D", "E"),
        (0, "usl", "57.1", "57.05"),
        (1, "added", None, "Bore depth"),
        (0, "removed", "SP-1", None),
    ]
    assert differences(PLAN, PLAN, (0, 1)) == ()
