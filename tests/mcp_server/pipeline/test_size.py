"""No answer fills a model's context, however large a record is."""

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_server.pipeline.size import MOST_CHARACTERS, bounded
from tests.support.checks import case_modules
from tests.support.sample_plant import TOOLS, control_plan, plan_row, sample_plant

pytestmark = pytest.mark.anyio

VALID: dict[str, dict[str, Any]] = {name: given for module in case_modules() for name, given in module.VALID.items()}
READS = sorted(name for name, tool in TOOLS.items() if not tool.writes)


def size(answer: dict[str, Any]) -> int:
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")))


def test_an_answer_that_fits_is_left_as_it_is():
    answer = {"items": [{"id": "x" * 1_000}] * 50, "warnings": ["late"]}
    assert bounded(answer) is answer


def test_the_largest_lists_are_shortened_and_the_warning_says_by_how_much():
    steps = [{"text": "y" * 1_000} for _ in range(100)]
    answer = {"record": {"id": "SOP-0001", "steps": steps, "ppe": ["gloves", "glasses"]}, "warnings": ["late"]}
    shown = bounded(answer)
    assert size(shown) <= MOST_CHARACTERS + 200
    assert shown["record"]["steps"] == steps[:50]
    assert shown["record"]["ppe"] == ["gloves", "glasses"]
    assert shown["warnings"][0] == "late"
    assert shown["warnings"][1].startswith("record.steps: 50 of 100 are shown")
    assert len(answer["record"]["steps"]) == 100


def test_what_cannot_be_shortened_is_told_as_it_is():
    answer = {"record": {"text": "z" * (MOST_CHARACTERS + 1)}}
    assert bounded(answer)["record"] == answer["record"]


async def test_a_plan_with_the_most_rows_of_the_longest_texts_is_stored_whole_and_told_in_part(tmp_path: Path):
    rows = [
        plan_row(
            None,
            operation="OP20",
            characteristic=f"Characteristic {number} {'c' * 90}",
            kind="product",
            technique="t" * 120,
            reaction_plan="r" * 500,
            gauge_id=None,
        )
        for number in range(200)
    ]
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("create_quality_plan", control_plan(*rows))
        assert size(answer) <= MOST_CHARACTERS + 200
        assert any(warning.startswith("record.rows: ") for warning in answer["warnings"])
        assert len(plant.rows("SELECT position FROM quality_plan_rows WHERE plan_key = 'QP-0001@0001'")) == 200
        whole = await plant.call("get_quality_plans", {"project": "ALPHA", "id": "QP-0001"})
        assert size(whole) <= MOST_CHARACTERS + 200


@pytest.mark.parametrize("name", READS)
async def test_the_largest_page_of_a_read_fits(tmp_path: Path, name: str):
    most = {"limit": 50 if name in {"get_quality_plans", "search_records"} else 200}
    arguments = VALID[name] | (most if "limit" in TOOLS[name].request.model_fields else {})
    async with sample_plant(tmp_path) as plant:
        assert size(await plant.call(name, arguments)) <= MOST_CHARACTERS
