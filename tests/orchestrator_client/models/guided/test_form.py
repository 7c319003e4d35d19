from typing import Any

import pytest

from orchestrator_client.models.guided.form import (
    Field,
    Form,
    field_at,
    named_values,
    next_field,
    pattern_of,
    value_at,
    with_value,
    without_idle,
)
from orchestrator_client.models.protocol import AskField, ChoiceSource, Goal

ROW: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {"type": "string"},
        "note": {"type": "string"},
        "sampling": {"enum": ["fixed", "aql"], "type": "string"},
        "size": {"type": "integer"},
        "aql": {"type": "string"},
    },
    "required": ["sampling"],
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "place": {
            "type": "object",
            "properties": {"site": {"type": "string"}, "line": {"type": "string"}},
            "required": ["site"],
        },
        "rows": {"type": "array", "items": ROW, "minItems": 1, "maxItems": 3},
        "tags": {"type": "array", "items": {"type": "string"}},
        "remark": {"type": "string"},
    },
    "required": ["title", "place", "rows"],
}
SPECS = ChoiceSource("get_specs", "id")
GOAL = Goal(
    "create_plan",
    ask=(
        AskField("rows[].spec"),
        AskField("rows[].size", {"sampling": "fixed"}),
        AskField("rows[].aql", {"sampling": "aql"}),
        AskField("tags"),
    ),
    choices={"rows[].spec": SPECS},
)
WHOLE: dict[str, Any] = {
    "title": "FC57",
    "place": {"site": "LAK"},
    "rows": [{"spec": "SP-1", "sampling": "fixed", "size": 5}],
    "tags": ["a"],
}


def following(values: dict[str, Any], **form: Any) -> Field | None:
    return next_field(Form(values=values, **form), GOAL, SCHEMA)


def path_after(values: dict[str, Any], **form: Any) -> str | None:
    field = following(values, **form)
    return field.path if field else None


def without(path: str) -> dict[str, Any]:
    return with_value(WHOLE, path, None)


def test_fields_are_asked_in_the_order_of_the_schema_and_only_those_that_matter() -> None:
    asked: list[str] = []
    form = Form()
    while field := next_field(form, GOAL, SCHEMA):
        asked.append(field.path)
        if field.more:
            form = form.but(closed_lists=("rows",))
        else:
            value = "fixed" if field.name == "sampling" else "x"
            form = form.but(values=with_value(form.values, field.path, value))
    assert asked == ["title", "place.site", "rows[0].spec", "rows[0].sampling", "rows[0].size", "rows[]", "tags"]


def test_a_form_that_is_filled_in_has_no_next_field() -> None:
    assert following(WHOLE, closed_lists=("rows",)) is None


@pytest.mark.parametrize(("sampling", "path"), [("fixed", "rows[0].size"), ("aql", "rows[0].aql")])
def test_a_field_with_a_condition_is_asked_only_when_it_holds_and_then_needs_an_answer(
    sampling: str, path: str
) -> None:
    values = WHOLE | {"rows": [{"spec": "SP-1", "sampling": sampling}]}
    field = following(values, skipped=(path,))
    assert field is not None
    assert (field.path, field.required) == (path, True)


def test_a_field_that_is_only_worth_asking_for_may_be_skipped() -> None:
    field = following(without("tags"), closed_lists=("rows",))
    assert field is not None
    assert (field.path, field.required) == ("tags", False)
    assert path_after(without("tags"), closed_lists=("rows",), skipped=("tags",)) is None


def test_a_required_field_cannot_be_skipped() -> None:
    assert path_after(without("title"), skipped=("title",)) == "title"


def test_a_demanded_field_is_asked_for_although_the_schema_does_not() -> None:
    field = following(WHOLE, closed_lists=("rows",), demanded=("remark",))
    assert field is not None
    assert (field.path, field.required) == ("remark", False)


@pytest.mark.parametrize("path", ["rows[0].note", "place.line"])
def test_a_demanded_field_inside_another_is_found(path: str) -> None:
    assert path_after(WHOLE, closed_lists=("rows",), demanded=(path,)) == path


def test_a_list_asks_for_more_until_it_is_closed_or_full() -> None:
    field = following(WHOLE)
    assert field is not None
    assert (field.path, field.more) == ("rows[]", True)
    assert path_after(WHOLE | {"rows": WHOLE["rows"] * 3}) is None


def test_a_list_gets_as_many_items_as_it_must_have_before_it_asks_for_more() -> None:
    schema = {
        "type": "object",
        "properties": {"rows": {**SCHEMA["properties"]["rows"], "minItems": 2}},
        "required": ["rows"],
    }
    goal = Goal("create_plan")
    field = next_field(Form(values={"rows": [{"sampling": "aql"}]}), goal, schema)
    assert field is not None
    assert field.path == "rows[1].sampling"


def test_a_field_knows_its_choices_and_its_name() -> None:
    field = following(without("rows[0].spec"))
    assert field is not None
    assert (field.choice, field.name) == (SPECS, "spec")


@pytest.mark.parametrize(
    ("path", "kind"), [("title", "string"), ("rows[7].size", "integer"), ("place.site", "string"), ("tags", "array")]
)
def test_a_path_names_a_field_that_can_be_asked_for(path: str, kind: str) -> None:
    field = field_at(path, GOAL, SCHEMA)
    assert field is not None
    assert field.schema["type"] == kind


@pytest.mark.parametrize("path", ["rows", "rows[0]", "place", "nothing", "rows[0].nothing", "title.x", "title[0]", ""])
def test_what_is_made_of_fields_or_does_not_exist_is_no_field(path: str) -> None:
    assert field_at(path, GOAL, SCHEMA) is None


@pytest.mark.parametrize("path", ["title", "rows[0].size", "rows[2].spec", "place.line"])
def test_a_value_is_found_where_it_was_put_and_nothing_else_changes(path: str) -> None:
    changed = with_value(WHOLE, path, "new")
    assert value_at(changed, path) == "new"
    assert value_at(changed, "rows[0].sampling") == "fixed"
    assert WHOLE["rows"][0] == {"spec": "SP-1", "sampling": "fixed", "size": 5}


@pytest.mark.parametrize("path", ["rows[5].size", "title.x", "rows.size", "tags[0].x"])
def test_a_path_that_leads_nowhere_has_no_value(path: str) -> None:
    assert value_at(WHOLE, path) is None


def test_a_value_to_be_asked_again_keeps_its_place_and_is_not_sent() -> None:
    form = Form(values=without("title"))
    assert list(form.values) == list(WHOLE)
    assert "title" not in form.arguments
    assert form.arguments["rows"] == WHOLE["rows"]


def test_values_whose_condition_no_longer_holds_are_dropped_in_every_item() -> None:
    rows = [{"sampling": "aql", "size": 5, "aql": "1.0"}, {"sampling": "fixed", "size": 5, "aql": "1.0"}]
    kept = Form(values=without_idle({"rows": rows}, GOAL)).arguments
    assert kept == {"rows": [{"sampling": "aql", "aql": "1.0"}, {"sampling": "fixed", "size": 5}]}


def test_a_condition_at_the_top_of_the_form_counts_too() -> None:
    goal = Goal("create_plan", ask=(AskField("site", {"kind": "local"}),))
    assert Form(values=without_idle({"kind": "global", "site": "LAK"}, goal)).arguments == {"kind": "global"}
    assert without_idle({"kind": "local", "site": "LAK"}, goal) == {"kind": "local", "site": "LAK"}


def test_a_pattern_stands_for_every_item() -> None:
    assert pattern_of("rows[3].steps[12].name") == "rows[].steps[].name"


def test_a_form_survives_its_storage() -> None:
    form = Form(stage="confirm", goal="create_plan", values=WHOLE, closed_lists=("rows",), calls=3, partial=True)
    assert Form.model_validate(form.model_dump(mode="json")) == form


def test_a_field_waits_for_what_its_choices_depend_on() -> None:
    schema: dict[str, Any] = {
        "properties": {"revision": {}, "id": {}, "kind": {}},
        "required": ["revision", "id", "kind"],
    }
    needs = {"revision": ChoiceSource("get", "revision", arguments={"id": "$id"})}
    needs["id"] = ChoiceSource("find", "id", arguments={"types": ["$kind"]})
    asked: list[str] = []
    values: dict[str, Any] = {}
    while field := next_field(Form(values=values), Goal("update", choices=needs), schema):
        asked.append(field.path)
        values = with_value(values, field.path, "x")
    assert asked == ["kind", "id", "revision"]


def test_fields_that_wait_for_each_other_are_asked_all_the_same() -> None:
    schema: dict[str, Any] = {"properties": {"a": {}, "b": {}}, "required": ["a", "b"]}
    circle = {
        "a": ChoiceSource("get", "a", arguments={"b": "$b"}),
        "b": ChoiceSource("get", "b", arguments={"a": "$a"}),
    }
    field = next_field(Form(), Goal("update", choices=circle), schema)
    assert field is not None
    assert field.path == "a"


def test_a_condition_may_name_several_values_or_that_a_field_was_left_out() -> None:
    schema: dict[str, Any] = {"properties": {name: {"type": "string"} for name in ("section", "text", "kind", "why")}}
    goal = Goal(
        "update",
        ask=(
            AskField("section"),
            AskField("text", {"section": ("a", "b")}),
            AskField("kind", {"section": None}),
            AskField("why", {"section": "a"}, optional=True),
        ),
    )

    def asked_after(values: dict[str, Any], **form: Any) -> Field | None:
        return next_field(Form(values=values, **form), goal, schema)

    text = asked_after({"section": "b"})
    assert text is not None
    assert (text.path, text.required) == ("text", True)
    assert asked_after({"section": "c"}) is None
    kind = asked_after({}, skipped=("section",))
    assert kind is not None
    assert kind.path == "kind"
    why = asked_after({"section": "a", "text": "x"})
    assert why is not None
    assert (why.path, why.required) == ("why", False)
    assert without_idle({"section": "c", "text": "x", "kind": "y"}, goal) == {
        "section": "c",
        "text": None,
        "kind": None,
    }


def test_a_field_may_be_what_other_fields_wait_for_in_it() -> None:
    goal = Goal(
        "revise",
        ask=(AskField("parts[].text", {"part": ("title", "scope")}), AskField("parts[].items", {"part": "ppe"})),
    )
    part = Field("parts[0].part", {"type": "string"}, required=True)
    assert named_values(part, goal) == ["title", "scope", "ppe"]
    assert named_values(Field("part", {"type": "string"}, required=True), goal) == []
    assert named_values(Field("parts[0].part", {"type": "integer"}, required=True), goal) == []
