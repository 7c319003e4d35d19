import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_server.errors import InvalidInput
from mcp_server.pipeline.arguments import parse
from tests.support.sample_plant import TOOLS, control_plan, plan_row, report, sample_plant

pytestmark = pytest.mark.anyio

LOG_ISSUE = TOOLS["log_issue"].request
CREATE_PLAN = TOOLS["create_quality_plan"].request


def refusal(request: Any, arguments: dict[str, Any]) -> InvalidInput:
    with pytest.raises(InvalidInput) as raised:
        parse(request, arguments)
    return raised.value


def nested(depth: int) -> Any:
    value: Any = "end"
    for _ in range(depth):
        value = {"deeper": value}
    return value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": None}, "title: is required."),
        ({"titel": "Burr"}, "titel: is not an argument of this tool."),
        ({"title": 5}, "title: must be text."),
        ({"title": "Burr"}, "title: must have at least 5 characters."),
        ({"title": "x" * 121}, "title: must have at most 120 characters."),
        ({"category": "quantity"}, "category: is not one of the allowed values."),
        ({"qty_affected": "1"}, "qty_affected: must be a whole number, without quotes."),
        ({"qty_affected": -1}, "qty_affected: must be 0 or more."),
        ({"qty_affected": 10**400}, "qty_affected: must be 10000000 or less."),
        ({"force_new": "true"}, "force_new: must be true or false, without quotes."),
        ({"detected_at": "2026-11-22T08:00:00"}, "detected_at: must say its offset from UTC"),
        ({"detected_at": 1763805600}, "detected_at: must be a time as text in ISO 8601"),
        ({"detected_at": "1763805600"}, "detected_at: must be a time as text in ISO 8601"),
        ({"detected_at": "0001-01-01T00:00:00+14:00"}, "detected_at: must be 2000-01-01T00:00:00Z or more."),
        ({"title": " \n"}, "title: must not be blank."),
        ({"title": "Burr\x00 on the groove"}, "title: holds characters that are no text."),
        ({"title": "Burr \ud83d on the groove"}, "title: holds characters that are no text."),
    ],
)
def test_a_refusal_says_in_plain_words_what_is_wrong(change: dict[str, Any], message: str):
    found = refusal(LOG_ISSUE, report(**change))
    assert found.message.startswith(message)
    assert found.field == message.partition(":")[0]
    assert found.suggestion


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "rows: must have at least 1 item."),
        ([plan_row()] * 201, "rows: must have at most 200 items."),
        (json.dumps([plan_row()]), "rows: must be a list."),
        ([json.dumps(plan_row())], "rows[0]: must be an object."),
        ([plan_row(nominal=float("nan"))], "rows[0].nominal: must be a finite number."),
        ([plan_row(), plan_row(lsl="57.0")], "rows[1].lsl: must be a number, without quotes."),
        ([plan_row(sampling=None)], "rows[0].sampling: is required."),
        ([plan_row(gage_id="AG-01")], "rows[0].gage_id: is not an argument of this tool."),
    ],
)
def test_a_problem_inside_a_list_is_told_alone_with_its_place(rows: Any, message: str):
    found = refusal(CREATE_PLAN, control_plan(rows=rows))
    assert (found.message, found.also) == (message, ())


def test_several_problems_are_told_at_once_up_to_ten():
    few = refusal(CREATE_PLAN, control_plan(plan_row(sample_size=2.0, aql="1.1"), title="x"))
    assert few.field == "title"
    assert few.also == (
        "rows[0].sample_size: must be a whole number, without quotes",
        "rows[0].aql: is not one of the allowed values",
    )
    many = refusal(LOG_ISSUE, report() | {f"extra_{number}": 1 for number in range(5_000)})
    assert len(many.also) == 9


def test_a_missing_field_is_explained_by_its_description():
    assert refusal(LOG_ISSUE, report(detected_by=None)).suggestion == "Give detected_by (Who noticed it)."
    missing = refusal(CREATE_PLAN, control_plan(plan_row(frequency=None)))
    assert missing.suggestion == "Give frequency (e.g. every 2 hours)."


def test_a_misspelled_name_gets_the_near_ones_and_a_wrong_choice_all_of_them():
    assert refusal(CREATE_PLAN, control_plan(plan_row(gage_id="AG-01"))).alternatives == ("gauge_id",)
    assert refusal(LOG_ISSUE, report(severity="bad")).alternatives == ("critical", "major", "minor")


def test_an_error_never_echoes_without_bound():
    found = refusal(LOG_ISSUE, report() | {"x" * 100_000: "y", "\x1b[2J": "z" * 100_000})
    assert len(json.dumps(found.as_json())) < 2_000
    assert "\x1b" not in f"{found.also} {found.message}"
    assert "zzz" not in json.dumps(found.as_json())


@pytest.mark.parametrize("text", ["Grat an der Nut, 3 µm", "毛刺", "line one\r\n\tline two", "🔧 burr"])
def test_text_of_every_language_passes_unchanged(text: str):
    assert parse(LOG_ISSUE, report(description=f"{text}, seen today")).description == f"{text}, seen today"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param({"title": nested(2_000)}, id="depth 2000"),
        pytest.param({"title": nested(300)}, id="depth 300"),
        pytest.param({"qty_affected": 10**5_000}, id="5000 digits"),
        pytest.param({"qty_affected": float("nan")}, id="NaN"),
        pytest.param({"qty_affected": float("inf")}, id="infinity"),
        pytest.param({"qty_affected": {1, 2}}, id="no JSON"),
        pytest.param({"project": {"id": "ALPHA"}}, id="object for text"),
        pytest.param({"title": "Burr \udc00 on the groove"}, id="lone surrogate"),
        pytest.param({"\ud800": "x"}, id="lone surrogate in a name"),
    ],
)
async def test_hostile_arguments_are_refused_without_any_effect(tmp_path: Path, hostile: dict[str, Any]):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        with anyio.fail_after(5):
            failure = await plant.refused("log_issue", report(**hostile), key="a-key-of-mine")
        assert isinstance(failure, InvalidInput)
        assert failure.suggestion
        assert plant.counts() == before
