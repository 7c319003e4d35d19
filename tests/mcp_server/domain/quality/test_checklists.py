import json

import pytest

from mcp_server.domain.quality.checklists import in_force, item_of_row, item_of_spec, selected_rows
from mcp_server.domain.records import DocumentState, PlanRow, QualityPlan, Spec
from tests.support.sample_plant import plan_row


def row(**changes: object) -> PlanRow:
    given = plan_row(**{"spec_id": None, "operation": "OP20", "characteristic": "Bore", "kind": "product"} | changes)
    return PlanRow.model_validate_json(json.dumps(given))


def plan(revision: int, state: DocumentState) -> QualityPlan:
    return QualityPlan.model_construct(id="QP-0001", revision=revision, state=state)


@pytest.mark.parametrize(
    ("states", "revision"),
    [
        (("draft",), 1),
        (("released", "draft"), 1),
        (("superseded", "released", "in_review"), 2),
        (("superseded", "draft"), 2),
        (("superseded", "withdrawn"), None),
    ],
)
def test_the_released_revision_is_in_force_before_any_newer_one(states: tuple[str, ...], revision: int | None) -> None:
    found = in_force([plan(number, DocumentState(state)) for number, state in enumerate(states, start=1)])
    assert (found and found.revision) == revision


def test_rows_are_selected_by_operation_and_frequency_without_case() -> None:
    rows = [row(), row(operation="OP30"), row(frequency="Daily")]
    assert selected_rows(rows, "op20", None) == (rows[0], rows[2])
    assert selected_rows(rows, "OP20", "daily") == (rows[2],)
    assert selected_rows(rows, "OP99", None) == ()


@pytest.mark.parametrize(
    ("changes", "lot", "expected"),
    [
        ({"sampling": "fixed", "sample_size": 5}, None, (5, 0, None)),
        ({"sampling": "full", "sample_size": None}, 500, (None, 0, None)),
        ({"sampling": "aql", "sample_size": None, "aql": "1.0", "inspection_level": "II"}, 500, (50, 1, "1.0")),
        ({"sampling": "aql", "sample_size": None, "aql": "1.0", "inspection_level": "S-1"}, 500, (13, 0, "1.0")),
        ({"sampling": "aql", "sample_size": None, "aql": "1.0", "inspection_level": "II"}, None, (None, 0, "1.0")),
        ({"sampling": "aql", "sample_size": None, "aql": "4.0", "special_class": "CC"}, 500, (None, 0, None)),
    ],
)
def test_a_row_becomes_an_item_that_says_how_many_to_inspect(changes, lot, expected) -> None:
    item = item_of_row(row(**changes), lot)
    assert (item.sample_size, item.accept, item.aql) == expected


def test_an_item_keeps_what_decides_and_what_to_do() -> None:
    asked = row(lsl=1.0, usl=2.0, nominal=1.5, unit="mm", special_class="SC", technique="caliper")
    item = item_of_row(asked, None)
    for name in (
        "characteristic",
        "unit",
        "nominal",
        "lsl",
        "usl",
        "special_class",
        "technique",
        "gauge_id",
        "frequency",
    ):
        assert getattr(item, name) == getattr(asked, name)
    assert item.reaction_plan == asked.reaction_plan


def test_a_specification_becomes_an_item_of_every_piece_unless_told() -> None:
    spec = Spec.model_validate_json(
        '{"id": "SP-1", "project": "ALPHA", "material_id": "HSG", "operation": "OP20", "characteristic": "Bore",'
        '"kind": "product", "data_type": "variable", "unit": "mm", "usl": 2.0, "gauge": "AG-01", "special_class": "CC"}'
    )
    item = item_of_spec(spec, frequency="daily", sample_size=None, gauge_id="AG-01")
    assert (item.sample_size, item.accept, item.usl, item.lsl, item.technique) == (None, 0, 2.0, None, "AG-01")
    assert item_of_spec(spec, frequency="daily", sample_size=3, gauge_id=None).sample_size == 3
