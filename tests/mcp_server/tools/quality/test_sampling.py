import csv
from pathlib import Path
from typing import Any

import pytest

import mcp_server
from mcp_server.domain.quality import sampling
from mcp_server.errors import VerificationFailed
from tests.support.sample_plant import sample_plant

pytestmark = pytest.mark.anyio

TABLES = Path(mcp_server.__file__).parent / "domain" / "quality" / "sampling_tables"
LEVELS = ("S-1", "S-2", "S-3", "S-4", "I", "II", "III")


def rows_of(name: str) -> list[list[str]]:
    with (TABLES / name).open(newline="") as file:
        return list(csv.reader(file))[1:]


def lots_by_letter() -> dict[str, tuple[int, str]]:
    """For each code letter the largest lot, and a level, that lead to it."""
    return {
        letter: (int(high or sampling.MAX_LOT_SIZE), level)
        for _, high, *letters in rows_of("z14_code_letters.csv")
        for level, letter in zip(LEVELS, letters, strict=True)
    }


async def test_every_cell_of_the_three_tables_comes_out_of_the_tool(tmp_path: Path):
    lots = lots_by_letter()
    async with sample_plant(tmp_path) as plant:
        for severity in ("normal", "tightened", "reduced"):
            cells = [cell for cell in rows_of(f"z14_single_{severity}.csv") if cell[0] in lots]
            assert len(cells) == 16 * 26
            for letter, _, aql, arrow, plan_letter, size, accept, reject in cells:
                lot, level = lots[letter]
                asked = {"lot_size": lot, "aql": aql, "inspection_level": level, "severity": severity}
                answer = await plant.call("compute_sampling_plan", asked)
                assert (answer["code_letter"], answer["plan_letter"]) == (letter, plan_letter)
                assert answer.get("arrow", "") == (arrow if arrow in {"up", "down"} else "")
                assert answer["sample_size"] == min(int(size), lot)
                assert answer["full_inspection"] is (int(size) >= lot)
                assert (answer["accept"], answer["reject"]) == (int(accept), int(reject))


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
        assert (await plant.call("compute_sampling_plan", reduced))["warnings"] == [
            "ANSI form of reduced inspection, not ISO 2859-1.",
            "With more than 3 but fewer than 6 nonconforming pieces, accept this lot and go back to normal inspection.",
        ]
        without_gap = reduced | {"aql": "0.065"}
        assert len((await plant.call("compute_sampling_plan", without_gap))["warnings"]) == 1
        counts = await plant.call("compute_sampling_plan", {"lot_size": 5_000, "aql": "15"})
        assert "per 100 pieces" in counts["warnings"][0]
        assert "warnings" not in await plant.call("compute_sampling_plan", {"lot_size": 5_000, "aql": "10"})


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


HISTORIES = [
    ("normal", ["rejected", "accepted", "rejected"], "tightened", "8.3.1"),
    ("normal", ["accepted"] * 10, "normal", "8.3.3"),
    ("tightened", ["accepted"] * 5, "normal", "8.3.2"),
    ("tightened", ["rejected", "accepted"] * 5, "discontinue", "8.4"),
    ("reduced", ["accepted", "accepted_in_gap"], "normal", "8.3.4 b"),
    ("reduced", ["accepted"], "reduced", "8.3.4"),
]


@pytest.mark.parametrize(("severity", "lots", "expected", "clause"), HISTORIES)
async def test_the_history_of_lots_says_how_the_next_is_inspected(
    tmp_path: Path, severity: str, lots: list[str], expected: str, clause: str
):
    async with sample_plant(tmp_path) as plant:
        asked = {"lot_size": 500, "aql": "1.0", "severity": severity, "recent_lots": lots}
        answer = await plant.call("compute_sampling_plan", asked)
        assert answer["next_severity"] == expected
        assert answer["switching_rule"].startswith(f"{clause}:") or answer["switching_rule"].startswith(f"{clause} ")
        told = " ".join(answer.get("warnings", []))
        assert ("The next lot is inspected at" in told) is (expected not in {severity, "discontinue"})
        assert ("Stop accepting lots" in told) is (expected == "discontinue")


async def test_reduced_inspection_needs_more_than_ten_accepted_lots(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        asked = {"lot_size": 500, "aql": "1.0", "recent_lots": ["accepted"] * 10}
        assert (await plant.call("compute_sampling_plan", asked))["next_severity"] == "normal"
        allowed = await plant.call("compute_sampling_plan", asked | {"reduced_approved": True})
        assert allowed["next_severity"] == "reduced"
        assert "next_severity" not in await plant.call("compute_sampling_plan", {"lot_size": 500, "aql": "1.0"})


async def test_only_a_reduced_plan_has_a_gap(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        asked = {"lot_size": 500, "aql": "1.0", "recent_lots": ["accepted", "accepted_in_gap"]}
        failure = await plant.refused("compute_sampling_plan", asked)
        assert (failure.code, failure.field) == ("precondition", "recent_lots[1]")
        assert failure.alternatives == ("accepted", "rejected")
        too_many = asked | {"recent_lots": ["accepted"] * 51}
        assert (await plant.refused("compute_sampling_plan", too_many)).field == "recent_lots"
