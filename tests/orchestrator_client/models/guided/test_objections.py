from typing import Any

import pytest

from orchestrator_client.dialogue.messages import ToolResultBlock
from orchestrator_client.models.guided.answers import Problem
from orchestrator_client.models.guided.form import Form
from orchestrator_client.models.guided.objections import kept_with, objection
from orchestrator_client.models.protocol import Goal

GOAL = Goal("record")
SCHEMA: dict[str, Any] = {
    "properties": {
        "readings": {"type": "array", "items": {"type": "number"}},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"size": {"type": "integer"}}}},
        "confirm_outliers": {"type": "boolean"},
        "override_reason": {"type": "string", "minLength": 5},
        "dry_run": {"type": "boolean"},
    }
}


def refusal(**error: Any) -> ToolResultBlock:
    return ToolResultBlock(tool_use_id="u", content="It is down.", structured={"error": error}, is_error=True)


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("readings", "readings"),
        ("readings[1]", "readings"),
        ("rows[0].size", "rows[0].size"),
        ("rows[0]", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_the_field_that_is_asked_again_is_one_a_person_can_answer(named: str, asked: str | None) -> None:
    assert objection(Form(), GOAL, SCHEMA, refusal(message="No.", field=named)).path == asked


def test_a_reason_or_a_yes_that_the_server_names_is_offered_and_a_dry_run_is_not() -> None:
    said = refusal(
        message="Far off.", field="readings", suggestion="Set confirm_outliers or override_reason, not dry_run."
    )
    found = objection(Form(values={"readings": [9]}), GOAL, SCHEMA, said)
    assert found.offered == ("confirm_outliers", "override_reason")
    assert found.text.splitlines()[1:] == [
        "To keep it, answer confirm_outliers: yes.",
        "To keep it, answer override_reason: and your words.",
    ]


def test_a_result_without_an_error_object_is_told_as_it_is() -> None:
    plain = ToolResultBlock(tool_use_id="u", content="It is down.", is_error=True)
    assert objection(Form(), GOAL, SCHEMA, plain).text == "It is down."


def test_a_refused_value_is_kept_with_a_fitting_answer_to_what_was_offered() -> None:
    form = Form(values={"readings": None}, offered=("confirm_outliers", "override_reason"), refused=[9])
    assert kept_with(form, SCHEMA, "readings", "confirm_outliers: yes") == {"readings": [9], "confirm_outliers": True}
    assert isinstance(kept_with(form, SCHEMA, "readings", "confirm_outliers: perhaps"), Problem)
    assert isinstance(kept_with(form, SCHEMA, "readings", "override_reason: no"), Problem)
    assert kept_with(form, SCHEMA, "readings", "dry_run: yes") is None
    assert kept_with(form, SCHEMA, "readings", "8") is None
