from datetime import UTC, date, datetime
from typing import Any

import pytest

from mcp_server.domain.maintenance.pm_plans import (
    absorbed_by,
    check_machine,
    check_task,
    check_trigger,
    due_state,
    is_daily_check,
    is_same_task,
)
from mcp_server.domain.records import (
    DocumentState,
    Machine,
    MachineStatus,
    Person,
    PmTask,
    Sop,
    StockItem,
    StockKind,
    Strategy,
)

TODAY = date(2026, 11, 22)
DUE = date(2026, 11, 30)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def task(**changes: Any) -> PmTask:
    values: dict[str, Any] = {
        "id": "PM-1",
        "project": "ALPHA",
        "plan_id": "PMP-1",
        "machine_id": "MC-103",
        "title": "Way wipers",
        "calendar_interval": 30,
        "calendar_unit": "d",
        "strategy": Strategy.FIXED,
        "tolerance_pct": 10.0,
        "est_min": 30,
        "skill": "mechanical",
        "loto": False,
        "anchor_on": DUE,
    }
    return PmTask(**values | changes)


def machine(**changes: Any) -> Machine:
    values: dict[str, Any] = {
        "id": "MC-103",
        "project": "ALPHA",
        "workstation": "ALPHA-OP20",
        "name": "HMC 3",
        "type": "cnc_machining_center",
        "make": "DMG MORI",
        "model": "NHX 4000",
        "serial": "1",
        "commissioned_on": date(2024, 5, 13),
        "status": MachineStatus.RUNNING,
        "criticality": "A",
        "energy_sources": ("electrical", "hydraulic"),
        "meter": "spindle_h",
    }
    return Machine(**values | changes)


def person(*skills: str, number: int = 100) -> Person:
    return Person(id=f"E{number}", project="ALPHA", name="A", role="maintenance_technician", skills=skills, shift="A")


def lockout(inspected_on: date | None) -> Sop:
    return Sop(
        id="LOTO-1",
        project="SHARED",
        title="Lockout",
        revision=1,
        state=DocumentState.RELEASED,
        created_at=NOON,
        created_by="E115",
        kind="loto",
        machine_ids=("MC-103",),
        inspected_on=inspected_on,
    )


def trigger(**changes: Any) -> list[str]:
    values: dict[str, Any] = {"every": 3, "unit": "m", "meter_every": None, "est_min": 60, "first_due": None}
    return [finding.field for finding in check_trigger(**values | changes, today=TODAY)]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"every": None, "unit": None, "meter_every": 500.0}, []),
        ({"meter_every": 500.0}, []),
        ({"first_due": TODAY}, []),
        ({"every": 1, "unit": "d", "est_min": 1440}, []),
        ({"every": 10, "unit": "y"}, []),
        ({"every": None, "unit": None}, ["every"]),
        ({"unit": None}, ["unit"]),
        ({"every": None, "meter_every": 500.0}, ["every"]),
        ({"first_due": date(2026, 11, 21)}, ["first_due"]),
        ({"every": None, "unit": None, "meter_every": 500.0, "first_due": DUE}, ["first_due"]),
        ({"every": 1, "unit": "d", "est_min": 1441}, ["est_min"]),
        ({"every": 11, "unit": "y"}, ["every"]),
    ],
)
def test_a_trigger_is_whole_and_possible(changes: dict[str, Any], fields: list[str]):
    assert trigger(**changes) == fields


@pytest.mark.parametrize(
    ("title", "changes", "same"),
    [
        ("way   WIPERS", {"calendar_interval": 365}, True),
        ("Monthly: wipers, way", {}, True),
        ("Wipers of the way, every month", {"calendar_interval": 365}, False),
        ("Way wipers left", {}, False),
        ("Way wipers (h)", {"meter_interval": 500.0}, False),
    ],
)
def test_the_same_work_is_known_by_title_and_interval(title: str, changes: dict[str, Any], same: bool):
    assert is_same_task(task(title=title, **changes), task()) is same


def test_seven_days_are_a_week():
    weekly = task(title="Weekly filter", calendar_interval=1, calendar_unit="w")
    assert is_same_task(weekly, task(title="Filter, weekly", calendar_interval=7))


@pytest.mark.parametrize(
    ("changes", "daily"),
    [
        ({}, True),
        ({"skill": "mechanical"}, False),
        ({"calendar_interval": 7}, False),
        ({"calendar_unit": "w"}, False),
        ({"meter_interval": 8.0}, False),
    ],
)
def test_a_daily_task_of_the_operators_is_a_checklist(changes: dict[str, Any], daily: bool):
    values: dict[str, Any] = {"calendar_interval": 1, "skill": "operator"}
    assert is_daily_check(task(**values | changes)) is daily


@pytest.mark.parametrize(
    ("today", "state"),
    [
        (date(2026, 11, 26), "planned"),
        (date(2026, 11, 27), "due"),
        (date(2026, 12, 3), "due"),
        (date(2026, 12, 4), "overdue"),
    ],
)
def test_work_is_due_inside_its_window_and_overdue_after_it(today: date, state: str):
    assert due_state(today, DUE, date(2026, 11, 27), date(2026, 12, 3)) == state


@pytest.mark.parametrize(("today", "state"), [(29, "planned"), (30, "due")])
def test_work_without_a_window_is_due_on_its_day(today: int, state: str):
    assert due_state(date(2026, 11, today), DUE, None, None) == state
    assert due_state(date(2026, 12, 1), DUE, None, None) == "overdue"


def annual(**changes: Any) -> PmTask:
    values: dict[str, Any] = {"id": "PM-9", "calendar_interval": 360, "est_min": 480}
    return task(**values | changes)


def test_a_larger_task_takes_in_the_smaller_ones_of_its_day():
    weekly = task(id="PM-2", calendar_interval=10, est_min=10)
    assert absorbed_by([(weekly, DUE), (task(), DUE), (annual(), DUE)]) == {"PM-1": "PM-9", "PM-2": "PM-9"}


@pytest.mark.parametrize(
    "larger",
    [
        annual(calendar_interval=365),
        annual(calendar_interval=12, calendar_unit="m"),
        annual(calendar_interval=30),
        annual(est_min=30, id="PM-0"),
        annual(machine_id="MC-104"),
        annual(calendar_interval=None, calendar_unit=None, meter_interval=500.0),
    ],
)
def test_a_task_stands_for_itself_beside_one_that_does_not_include_it(larger: PmTask):
    assert absorbed_by([(task(), DUE), (larger, DUE)]) == {}


def test_a_task_stands_for_itself_on_another_day_or_when_a_meter_counts_too():
    assert absorbed_by([(task(), date(2026, 12, 1)), (annual(), DUE)]) == {}
    assert absorbed_by([(task(meter_interval=500.0), DUE), (annual(), DUE)]) == {}


def test_work_that_needs_lockout_is_never_done_inside_work_without():
    locked = task(loto=True)
    assert absorbed_by([(locked, DUE), (annual(), DUE)]) == {}
    assert absorbed_by([(locked, DUE), (annual(loto=True), DUE)]) == {"PM-1": "PM-9"}


def test_years_are_twelve_months():
    quarterly = task(calendar_interval=3, calendar_unit="m")
    yearly = annual(calendar_interval=1, calendar_unit="y")
    assert absorbed_by([(quarterly, DUE), (yearly, DUE)]) == {"PM-1": "PM-9"}


def test_a_machine_that_is_commissioned_gets_a_hint():
    (hint,) = check_machine(machine(status=MachineStatus.COMMISSIONING), [task()], [], TODAY)
    assert "check the intervals again" in hint
    assert check_machine(machine(), [task()], [], TODAY) == []


def test_a_lockout_procedure_inspected_over_a_year_ago_is_told():
    (hint,) = check_machine(machine(), [task(loto=True)], [lockout(date(2025, 11, 21))], TODAY)
    assert "more than 12 months ago" in hint
    assert check_machine(machine(), [task(loto=True)], [lockout(date(2025, 11, 22))], TODAY) == []


def test_lockout_without_energy_on_record_is_told():
    (hint,) = check_machine(machine(energy_sources=()), [task(loto=True)], [], TODAY)
    assert "no energy sources on record" in hint


def told(
    work: PmTask, *people: Person, others: list[PmTask] | None = None, parts: list[StockItem] | None = None
) -> list[str]:
    return check_task(work, machine(), people=people, others=others or [], parts=parts or [])


def test_hazardous_energy_without_lockout_is_told_but_for_operators_work():
    (hint,) = told(task(), person("mechanical"))
    assert "electrical, hydraulic" in hint
    assert told(task(skill="operator"), person()) == []


def test_a_skill_that_nobody_has_is_told_with_those_there_are():
    (hint,) = told(task(loto=True, skill="laser"), person("robot", "plc"))
    assert hint.endswith("there are plc, robot")


def test_lockout_needs_somebody_with_the_skill_who_is_authorized():
    (hint,) = told(task(loto=True), person("mechanical"), person("plc", "loto_authorized", number=101))
    assert "authorized to lock out" in hint
    assert told(task(loto=True), person("mechanical", "loto_authorized")) == []
    assert told(task(loto=True, skill="external"), person("plc")) == []


def test_like_work_at_another_interval_is_told():
    (hint,) = told(task(loto=True), person("mechanical", "loto_authorized"), others=[annual(title="Annual way wipers")])
    assert hint.startswith("PM-9 ('Annual way wipers')")


def test_a_part_of_another_machine_type_is_told():
    fits = {"cnc_machining_center": [], "washer": ["SP-1 (Seal) is not listed for a cnc_machining_center"]}
    for kind, expected in fits.items():
        part = StockItem(
            id="SP-1",
            project="SHARED",
            kind=StockKind.SPARE_PART,
            name="Seal",
            unit="pcs",
            on_hand=1.0,
            minimum=1.0,
            location="A1",
            machine_types=(kind,),
        )
        assert told(task(loto=True), person("mechanical", "loto_authorized"), parts=[part]) == expected
