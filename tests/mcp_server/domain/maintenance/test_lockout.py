from datetime import UTC, date, datetime
from typing import Any

import pytest

from mcp_server.domain.maintenance.lockout import is_hazardous, lockout_for, lockout_problem, months_before
from mcp_server.domain.records import DocumentState, Machine, MachineStatus, Sop

TODAY = date(2026, 11, 22)


def machine(*energy_sources: str) -> Machine:
    return Machine(
        id="MC-101",
        project="ALPHA",
        workstation="ALPHA-OP10",
        name="HMC 1",
        type="cnc_machining_center",
        make="DMG MORI",
        model="NHX 4000",
        serial="SMPL-1",
        commissioned_on=date(2024, 3, 11),
        status=MachineStatus.RUNNING,
        criticality="B",
        energy_sources=energy_sources,
        meter="spindle_h",
    )


def lockout(**changes: Any) -> Sop:
    told: dict[str, Any] = {
        "id": "LOTO-MC-NHX",
        "project": "SHARED",
        "title": "Lockout: NHX 4000 HMC",
        "revision": 2,
        "state": DocumentState.RELEASED,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "created_by": "E106",
        "kind": "loto",
        "machine_ids": ("MC-101", "MC-102"),
        "inspected_on": date(2026, 6, 1),
    }
    return Sop(**(told | changes))


ENERGIZED = machine("electrical", "hydraulic")


def test_a_machine_is_hazardous_by_the_energy_sources_on_record():
    assert is_hazardous(ENERGIZED)
    assert not is_hazardous(machine())


def test_a_covered_machine_with_a_fresh_inspection_may_be_worked_on():
    assert lockout_problem(ENERGIZED, [lockout()], TODAY) is None


def test_a_machine_without_energy_needs_no_procedure():
    assert lockout_problem(machine(), [], TODAY) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"machine_ids": ("MC-103",)},
        {"state": DocumentState.DRAFT},
        {"state": DocumentState.APPROVED},
        {"state": DocumentState.WITHDRAWN},
        {"kind": "sop"},
    ],
)
def test_only_a_released_lockout_procedure_that_names_the_machine_covers_it(changes: dict[str, Any]):
    assert lockout_for("MC-101", [lockout(**changes)]) is None
    assert lockout_problem(ENERGIZED, [lockout(**changes)], TODAY) == (
        "No released lockout procedure covers MC-101 (electrical, hydraulic)."
    )


def test_the_inspection_counts_until_the_same_day_a_year_later():
    assert lockout_problem(ENERGIZED, [lockout(inspected_on=date(2025, 11, 22))], TODAY) is None
    late = lockout_problem(ENERGIZED, [lockout(inspected_on=date(2025, 11, 21))], TODAY)
    assert late is not None
    assert "LOTO-MC-NHX" in late
    assert "2025-11-21, more than 12 months ago" in late


def test_a_procedure_nobody_ever_inspected_does_not_do():
    never = lockout_problem(ENERGIZED, [lockout(inspected_on=None)], TODAY)
    assert never is not None
    assert "no periodic inspection" in never


def test_of_several_procedures_the_one_inspected_last_counts():
    old = lockout(id="LOTO-A", inspected_on=date(2024, 1, 1))
    new = lockout(id="LOTO-B", inspected_on=date(2026, 5, 1))
    never = lockout(id="LOTO-C", inspected_on=None)
    assert lockout_for("MC-101", [new, old, never]) is new
    assert lockout_problem(ENERGIZED, [old, new, never], TODAY) is None


def test_an_iterator_of_procedures_does_as_well():
    assert lockout_problem(ENERGIZED, iter([lockout()]), TODAY) is None


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2026, 11, 22), 12, date(2025, 11, 22)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
        (date(2026, 12, 31), 24, date(2024, 12, 31)),
    ],
)
def test_months_are_counted_back_to_the_same_day_or_the_last_of_the_month(day: date, months: int, before: date):
    assert months_before(day, months) == before
