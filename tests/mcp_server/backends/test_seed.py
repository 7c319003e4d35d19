"""What the sample plant is seeded with follows our own rules, but for the traps that its README lists."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from mcp_server.backends.sql.seed import SAMPLE_AS_OF, sample_records
from mcp_server.bundled import sample_plant_dir
from mcp_server.domain.issues.gates import missing_gates
from mcp_server.domain.records import (
    SHARED,
    Document,
    Gauge,
    Issue,
    IssueState,
    Lot,
    Machine,
    MachineStatus,
    Material,
    Person,
    PlantDay,
    Project,
    Record,
    Sop,
    Spec,
    StockItem,
    TrainingRecord,
    Workstation,
)
from tests.support.sample_plant import AS_OF

R = TypeVar("R", bound=Record)
FIXTURES = sample_plant_dir().parent
GIVEN = {
    "equipment_hierarchy", "gauges", "issues", "machines", "maintenance_history", "materials", "people", "pm_plans",
    "projects", "sops", "specs", "takt_inputs", "upcoming_schedules", "workstations",
}  # fmt: skip


@cache
def plant(as_of: date = AS_OF) -> tuple[Record, ...]:
    return tuple(sample_records(sample_plant_dir(), as_of))


def every(kind: type[R], as_of: date = AS_OF) -> list[R]:
    return [record for record in plant(as_of) if isinstance(record, kind)]


def by_id(kind: type[R]) -> dict[str, R]:
    return {record.id: record for record in every(kind)}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def test_the_maker_writes_what_is_shipped_and_leaves_the_given_files_alone(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES, tmp_path / "fixtures", ignore=shutil.ignore_patterns("__pycache__"))
    made = tmp_path / "fixtures" / "sample_plant"
    for path in made.glob("*.csv"):
        if path.stem not in GIVEN:
            path.unlink()
    untouched = {name: path.stat().st_mtime_ns for name in GIVEN if (path := made / f"{name}.csv")}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, tmp_path / "fixtures" / "make_sample_plant.py"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert files_of(made) == files_of(sample_plant_dir())
    assert {name: (made / f"{name}.csv").stat().st_mtime_ns for name in GIVEN} == untouched


def test_the_readme_counts_the_files_and_rows_right() -> None:
    files = files_of(sample_plant_dir())
    given = sum(file.count(b"\n") - 1 for name, file in files.items() if Path(name).stem in GIVEN)
    text = (sample_plant_dir() / "README.md").read_text(encoding="utf-8")
    counted = f"{len(files)} CSV files as of {SAMPLE_AS_OF}: {len(GIVEN)} given ones with {given:,} rows"
    assert counted in text
    assert f"and {len(files) - len(GIVEN)} that" in text


def test_every_record_has_a_key_of_its_own() -> None:
    keys = [(type(record), record.key) for record in plant()]
    assert len(set(keys)) == len(keys)


def test_another_day_moves_every_record_by_the_same_days() -> None:
    """In UTC, so that not even a change of the clocks gets between."""
    shift = AS_OF - SAMPLE_AS_OF
    for before, after in zip(plant(SAMPLE_AS_OF), plant(), strict=True):
        assert moved(before.model_dump(), shift) == after.model_dump(), before.id


def moved(value: object, shift: timedelta) -> object:
    if isinstance(value, date):
        return value + shift
    if isinstance(value, dict):
        return {name: moved(inner, shift) for name, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(moved(inner, shift) for inner in value)
    return value


def test_everybody_named_works_at_the_project_or_for_all_of_them() -> None:
    people = by_id(Person)

    def outsiders(record: Record, ids: Iterable[str | None]) -> list[str]:
        home = {getattr(record, "project", SHARED), SHARED}
        return [name for name in ids if name is not None and people[name].project not in home]

    for document in every(Document):
        if document.project != SHARED and document.noun != "maintenance plan":
            assert not outsiders(document, [document.created_by, *(s.by for s in document.signatures)]), document.key
    for issue in every(Issue):
        done = [action.done_by for action in issue.actions] + [action.owner for action in issue.actions]
        signed = [part.by for part in (issue.triage, issue.containment, issue.root_cause) if part is not None]
        checked = [check.verifier for check in issue.effect_checks]
        assert not outsiders(issue, [*done, *signed, *checked, issue.closed_by])


def test_nobody_approved_what_they_wrote() -> None:
    for document in every(Document):
        judges = {signature.by for signature in document.signatures if signature.decision in {"approve", "release"}}
        assert document.created_by not in judges, document.key


def test_ids_that_no_foreign_key_guards_name_something() -> None:
    sops, stock, lots, materials = by_id(Sop), by_id(StockItem), by_id(Lot), by_id(Material)
    for training in every(TrainingRecord):
        assert training.sop_revision <= sops[training.sop_id].revision
    for lot in lots.values():
        assert lot.material_revision == materials[lot.material_id].revision
    for sop in sops.values():
        assert {step.check_spec_id for step in sop.steps} - {None} <= set(by_id(Spec))
    types = {machine.type for machine in every(Machine)}
    assert all(set(item.machine_types) <= types for item in stock.values())


def test_a_closed_issue_met_every_gate_and_nothing_lies_ahead_of_its_day() -> None:
    for issue in every(Issue):
        if issue.state is IssueState.CLOSED:
            assert not missing_gates(issue), issue.id
            assert issue.closed_at is not None
            assert issue.closed_by not in {action.owner for action in issue.actions}
            assert issue.opened_at < issue.closed_at <= issue.close_due_at
            assert issue.closed_at.date() <= AS_OF
        verifiers = {check.verifier for check in issue.effect_checks}
        assert not verifiers & {person for action in issue.actions for person in (action.owner, action.done_by)}


def test_exactly_one_training_has_lapsed_and_some_are_on_an_old_revision() -> None:
    current = {sop.id: sop.revision for sop in every(Sop)}
    records = every(TrainingRecord)
    lapsed = [r.person_id for r in records if r.valid_until is not None and r.valid_until < AS_OF]
    assert lapsed == ["E101"]
    assert [r.person_id for r in records if r.sop_revision < current[r.sop_id]] == ["E111"]


def test_exactly_one_spare_part_is_out_of_stock_and_can_be_ordered() -> None:
    empty = [item for item in every(StockItem) if item.on_hand == 0]
    assert [(item.id, item.kind, item.lead_time_days) for item in empty] == [("SPR-OIL-SEPARATOR", "spare_part", 12)]


def test_a_freeze_and_a_shutdown_lie_within_sixty_days() -> None:
    near = [day for day in every(PlantDay) if AS_OF <= day.from_on <= AS_OF + timedelta(days=60)]
    assert sorted({day.kind for day in near}) == ["freeze", "holiday", "shutdown"]
    sites = {project.id: project.site for project in every(Project)}
    assert {sites[day.project] for day in near if day.kind == "holiday"} == {"LAK", "BRN"}


@pytest.mark.parametrize("kind", [Machine, Material, Gauge, Workstation])
def test_the_given_files_keep_their_rows(kind: type[Record]) -> None:
    assert len(every(kind)) == {Machine: 42, Material: 17, Gauge: 13, Workstation: 17}[kind]
    assert sum(machine.status is MachineStatus.DECOMMISSIONED for machine in every(Machine)) == 1
