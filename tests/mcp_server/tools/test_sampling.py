from pathlib import Path
from typing import Any

import pytest

from mcp_server.domain import sampling
from mcp_server.errors import VerificationFailed
from tests.support.sample_plant import sample_plant

pytestmark = pytest.mark.anyio

GOLDEN = [
    (
        {"lot_size": 5_000, "aql": "1.5"},
        {"code_letter": "L", "plan_letter": "L", "sample_size": 200, "accept": 7, "reject": 8},
    ),
    ({"lot_size": 5_000, "aql": "1.5", "severity": "tightened"}, {"sample_size": 200, "accept": 5, "reject": 6}),
    (
        {"lot_size": 60, "aql": "0.65"},
        {"code_letter": "E", "plan_letter": "F", "arrow": "down", "sample_size": 20, "accept": 0},
    ),
    (
        {"lot_size": 200, "aql": "0.65"},
        {"code_letter": "G", "plan_letter": "F", "arrow": "up", "sample_size": 20, "reject": 1},
    ),
    ({"lot_size": 4, "aql": "1.0"}, {"code_letter": "A", "sample_size": 4, "full_inspection": True}),
]


@pytest.mark.parametrize(("arguments", "expected"), GOLDEN)
async def test_the_plan_is_the_one_of_the_standard(tmp_path: Path, arguments: dict[str, Any], expected: dict[str, Any]):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("compute_sampling_plan", arguments)
        assert {name: answer[name] for name in expected} == expected
        assert answer["lot_size"] == arguments["lot_size"]
        assert answer["standard"] == sampling.STANDARD


async def test_only_what_needs_a_word_has_a_warning(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        assert "warnings" not in await plant.call("compute_sampling_plan", {"lot_size": 5_000, "aql": "1.5"})
        whole_lot = await plant.call("compute_sampling_plan", {"lot_size": 4, "aql": "1.0"})
        assert whole_lot["warnings"] == ["The sample would be the whole lot: inspect every piece."]
        reduced = {"lot_size": 5_000, "aql": "1.5", "severity": "reduced"}
        assert "Not ISO 2859-1" in (await plant.call("compute_sampling_plan", reduced))["warnings"][0]


async def test_a_cc_characteristic_is_sent_another_way(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        cc = {"lot_size": 500, "aql": "1.0", "special_class": "CC"}
        failure = await plant.refused("compute_sampling_plan", cc)
        assert (failure.code, failure.field) == ("precondition", "special_class")
        assert "zero-acceptance" in failure.suggestion
        assert (await plant.call("compute_sampling_plan", cc | {"special_class": "SC"}))["sample_size"] == 50


@pytest.mark.parametrize("aql", ["1.00", "3.0", "0", "1,0", "1.0 %"])
async def test_an_aql_that_is_not_preferred_gets_the_preferred_ones(tmp_path: Path, aql: str):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("compute_sampling_plan", {"lot_size": 500, "aql": aql})
        assert (failure.code, failure.field) == ("validation", "aql")
        assert failure.alternatives == sampling.PREFERRED_AQLS


async def test_damaged_tables_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "_SHA256", {"z14_single_normal.csv": "0" * 64})
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("compute_sampling_plan", {"lot_size": 500, "aql": "1.0"})
        assert isinstance(failure, VerificationFailed)
        assert "Install it again" in failure.suggestion
