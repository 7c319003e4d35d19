"""Every cell of the tables through the public functions, read here by other means than the code under test."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mcp_server
from mcp_server.domain.quality import sampling
from mcp_server.domain.quality.sampling import MAX_LOT_SIZE, PREFERRED_AQLS, code_letter, sampling_plan, tables_intact
from mcp_server.domain.quality.sampling_structure import derived_plan
from mcp_server.domain.records import InspectionLevel

PACKAGE = Path(mcp_server.__file__).parent
TABLES = PACKAGE / "domain" / "quality" / "sampling_tables"
LEVELS = get_args(InspectionLevel)
SEVERITIES = get_args(sampling.SamplingSeverity)
CELLS = 16 * 26


def read(name: str) -> list[list[str]]:
    with (TABLES / name).open(newline="") as file:
        return list(csv.reader(file))[1:]


LOT_RANGES = [(int(low), int(high or MAX_LOT_SIZE), row) for low, high, *row in read("z14_code_letters.csv")]
COLUMNS = ("S-1", "S-2", "S-3", "S-4", "I", "II", "III")


def lot_with_letter(letter: str) -> tuple[int, str]:
    """The largest lot, and a level, that lead to a code letter: large lots keep 100 % inspection away."""
    return max(
        (high, level)
        for _, high, row in LOT_RANGES
        for level, found in zip(COLUMNS, row, strict=True)
        if found == letter
    )


def test_every_code_letter_is_the_tables_at_both_ends_of_its_lot_range() -> None:
    assert len(LOT_RANGES) == 15
    assert set(COLUMNS) == set(LEVELS)
    for low, high, row in LOT_RANGES:
        for level, letter in zip(COLUMNS, row, strict=True):
            assert (code_letter(low, level), code_letter(high, level)) == (letter, letter)


def test_the_lot_ranges_leave_no_gap() -> None:
    assert LOT_RANGES[0][0] == 2
    assert [low for low, _, _ in LOT_RANGES[1:]] == [high + 1 for _, high, _ in LOT_RANGES[:-1]]


@pytest.mark.parametrize("severity", SEVERITIES)
def test_every_cell_of_a_plan_table_is_what_the_lookup_answers(severity: sampling.SamplingSeverity) -> None:
    cells = [cell for cell in read(f"z14_single_{severity}.csv") if cell[0] != "S"]  # no lot leads to letter S
    assert len(cells) == CELLS
    for letter, _, aql, arrow, plan_letter, size, accept, reject in cells:
        lot, level = lot_with_letter(letter)
        plan = sampling_plan(lot, aql, level, severity)
        whole_lot = int(size) >= lot
        assert (plan.code_letter, plan.plan_letter) == (letter, plan_letter)
        assert plan.sample_size == (lot if whole_lot else int(size))
        assert (plan.accept, plan.reject) == (int(accept), int(reject))
        assert plan.arrow == (arrow if arrow in {"up", "down"} else None)
        assert plan.full_inspection is whole_lot


@pytest.mark.parametrize(
    ("lot", "aql", "severity", "expected"),
    [
        (3201, "1.5", "normal", ("L", "L", 200, 7, 8)),
        (10_000, "1.5", "normal", ("L", "L", 200, 7, 8)),
        (10_000, "1.5", "tightened", ("L", "L", 200, 5, 6)),
        (60, "0.65", "normal", ("E", "F", 20, 0, 1)),
        (200, "0.65", "normal", ("G", "F", 20, 0, 1)),
        (4, "1.0", "normal", ("A", "E", 4, 0, 1)),
    ],
)
def test_the_golden_plans_of_the_literature_come_out(
    lot: int, aql: str, severity: sampling.SamplingSeverity, expected: tuple[str, str, int, int, int]
) -> None:
    plan = sampling_plan(lot, aql, "II", severity)
    assert (plan.code_letter, plan.plan_letter, plan.sample_size, plan.accept, plan.reject) == expected


def test_arrows_change_the_sample_size_with_the_acceptance_number() -> None:
    assert [sampling_plan(lot, "0.65").arrow for lot in (60, 100, 200)] == ["down", None, "up"]
    assert {sampling_plan(lot, "0.65").sample_size for lot in (60, 100, 200)} == {20}


def test_a_sample_as_large_as_the_lot_means_every_piece() -> None:
    assert sampling_plan(13, "1.0").full_inspection
    assert sampling_plan(13, "1.0").sample_size == 13
    assert not sampling_plan(14, "1.0").full_inspection
    assert sampling_plan(14, "1.0").sample_size == 13


@pytest.mark.parametrize("severity", SEVERITIES)
def test_every_cell_also_follows_from_how_the_standard_is_built(severity: sampling.SamplingSeverity) -> None:
    for letter, _, aql, _, plan_letter, size, accept, reject in read(f"z14_single_{severity}.csv"):
        if letter == "S":
            continue
        lot, level = lot_with_letter(letter)
        derived = derived_plan(lot, aql, level, severity)
        assert (derived.code_letter, derived.plan_letter) == (letter, plan_letter)
        assert (derived.sample_size, derived.accept, derived.reject) == (min(int(size), lot), int(accept), int(reject))


def test_the_code_letters_of_the_second_derivation_are_the_tables_at_both_ends_of_each_range() -> None:
    for low, high, row in LOT_RANGES:
        for level, letter in zip(COLUMNS, row, strict=True):
            letters = {derived_plan(lot, "1.0", level, "normal").code_letter for lot in (low, high)}
            assert letters == {letter}


@given(
    lot=st.integers(2, MAX_LOT_SIZE) | st.integers(2, 4000),
    aql=st.sampled_from(PREFERRED_AQLS),
    level=st.sampled_from(LEVELS),
    severity=st.sampled_from(SEVERITIES),
)
def test_any_lot_and_aql_has_a_plan_that_can_be_carried_out(lot, aql, level, severity) -> None:
    plan = sampling_plan(lot, aql, level, severity)
    assert 1 <= plan.sample_size <= lot
    assert plan.reject > plan.accept >= 0
    assert plan.full_inspection is (plan.sample_size == lot)


@given(lot=st.integers(2, MAX_LOT_SIZE - 1), level=st.sampled_from(LEVELS))
def test_a_larger_lot_never_has_an_earlier_code_letter(lot, level) -> None:
    assert code_letter(lot + 1, level) >= code_letter(lot, level)


@pytest.mark.parametrize("lot", [1, 0, -5])
def test_a_lot_of_less_than_two_pieces_is_refused(lot: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        code_letter(lot, "II")


def test_an_aql_that_is_not_preferred_is_refused() -> None:
    with pytest.raises(ValueError, match="preferred"):
        sampling_plan(100, "1.2")


def test_the_shipped_tables_are_the_verified_ones() -> None:
    assert tables_intact()


@pytest.mark.parametrize("name", sorted(path.name for path in TABLES.glob("*.csv")))
def test_one_changed_byte_in_any_table_is_noticed(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "mcp_server"
    shutil.copytree(PACKAGE / "domain", copy / "domain")
    (copy / "__init__.py").touch()
    table = copy / "domain" / "quality" / "sampling_tables" / name
    table.write_bytes(table.read_bytes().replace(b"0", b"1", 1))
    script = "from mcp_server.domain.quality import sampling; print(sampling.__file__); print(sampling.tables_intact())"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(copy / "domain" / "quality" / "sampling.py"), "False"]
