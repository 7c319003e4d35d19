"""First use, start-up of every kind of file, and the sample plant."""

import csv
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from mcp_server.backends.base import Query
from mcp_server.backends.sql import migrations, tables
from mcp_server.backends.sql.provision import DATABASE_NAME, open_companion, open_store, reseed
from mcp_server.backends.sql.seed import SAMPLE_AS_OF
from mcp_server.backends.sql.sqlite import SqliteFile
from mcp_server.bundled import sample_plant_dir
from mcp_server.domain.records import Gauge, Issue, Machine, MachineStatus, Project
from mcp_server.errors import ConfigurationError

pytestmark = pytest.mark.anyio

AS_OF = date(2026, 11, 22)
SEEDED = {
    "projects": 3,
    "equipment": 23,
    "machines": 42,
    "materials": 17,
    "specs": 23,
    "workstations": 17,
    "gauges": 13,
    "people": 16,
    "takt_inputs": 3,
    "stock_items": 35,
    "lots": 30,
    "training_records": 24,
    "meter_readings": 218,
    "plant_days": 8,
    "quality_plans": 9,
    "checklists": 12,
    "inspection_results": 32,
    "sops": 26,
    "pm_plans": 42,
    "pm_tasks": 92,
    "work_orders": 6,
    "maintenance_history": 1865,
    "issues": 72,
}  # fmt: skip
OPEN_AT_ONCE = """
import anyio, sys
from datetime import date
from pathlib import Path
from mcp_server.backends.sql import provision
from mcp_server.bundled import sample_plant_dir

async def main():
    store = await provision.open_store(Path(sys.argv[1]), sample_plant=sample_plant_dir(), as_of=date(2026, 11, 22))
    await store.aclose()

print("ready", flush=True)
sys.stdin.readline()
anyio.run(main)
"""


async def opened(folder: Path, as_of: date = AS_OF) -> None:
    store = await open_store(folder, sample_plant=sample_plant_dir(), as_of=as_of)
    await store.aclose()


def rows_of(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as file:
        return {
            table.name: file.execute(f'SELECT * FROM "{table.name}" ORDER BY 1, 2').fetchall()
            for table in tables.metadata.sorted_tables
        }


def counts_of(folder: Path) -> dict[str, int]:
    return {name: len(rows) for name, rows in rows_of(folder).items()}


def test_the_revision_in_the_code_is_the_newest_step() -> None:
    script = ScriptDirectory.from_config(migrations.alembic_config())
    assert script.get_heads() == [migrations.HEAD]
    assert migrations.is_known(migrations.HEAD)
    assert not migrations.is_known("9999")


async def test_the_migrated_schema_is_the_declared_one(folder: Path) -> None:
    file = SqliteFile(folder / DATABASE_NAME)

    def differences(connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)

    async with file.reading() as connection:
        assert await connection.run_sync(differences) == []
    await file.aclose()


async def test_the_migrated_constraints_are_the_declared_ones(folder: Path, tmp_path: Path) -> None:
    """Alembic does not compare CHECK constraints: compare the tables as SQLite keeps them."""
    declared = SqliteFile(tmp_path / "declared.sqlite3")
    async with declared.writing() as connection:
        await connection.run_sync(tables.metadata.create_all)
    await declared.aclose()

    def constraints(path: Path) -> dict[str, set[str]]:
        with closing(sqlite3.connect(path)) as file:
            found = file.execute(
                "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'"
            )
            # an added column stands in the line of the one before it
            return {name: {part.strip(" \t,)") for part in re.split(r"\n|, ", sql)} for name, sql in found}

    assert constraints(folder / DATABASE_NAME) == constraints(tmp_path / "declared.sqlite3")


async def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / DATABASE_NAME)

    async def migrate_and_fail() -> None:
        async with file.writing() as connection:
            await connection.run_sync(migrations.upgrade)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await migrate_and_fail()
    async with file.reading() as connection:
        assert await connection.run_sync(migrations.revision_of) is None
    await file.aclose()
    with closing(sqlite3.connect(tmp_path / DATABASE_NAME)) as left:
        assert left.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


async def test_first_use_makes_the_folder_the_file_and_the_sample_plant(tmp_path: Path) -> None:
    folder = tmp_path / "a # b ? c % d" / "nested"
    await opened(folder)
    counts = counts_of(folder)
    assert {name: counts[name] for name in SEEDED} == SEEDED
    assert counts["audit_log"] == counts["idempotency_keys"] == 0
    assert {path.name for path in folder.iterdir()} == {DATABASE_NAME, "plant.lock"}


async def test_opening_again_adds_and_moves_nothing(folder: Path) -> None:
    before = rows_of(folder)
    await opened(folder, AS_OF + timedelta(days=40))
    assert rows_of(folder) == before


def test_two_processes_that_open_a_new_folder_at_once_end_with_one_plant(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    command = [sys.executable, "-c", OPEN_AT_ONCE, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as first, subprocess.Popen(command, **pipes) as second:
        for started in (first, second):
            assert started.stdout.readline() == "ready\n"
        for started in (first, second):
            started.stdin.write("go\n")
            started.stdin.flush()
        assert [(started.communicate()[1], started.returncode) for started in (first, second)] == [("", 0), ("", 0)]
    counts = counts_of(folder)
    assert {name: counts[name] for name in SEEDED} == SEEDED


async def test_the_same_day_seeds_identical_rows(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    await opened(again)
    assert rows_of(again) == rows_of(folder)


async def test_another_day_moves_every_date_by_the_same_days(tmp_path: Path) -> None:
    early, late = tmp_path / "early", tmp_path / "late"
    await opened(early, SAMPLE_AS_OF)
    await opened(late, SAMPLE_AS_OF + timedelta(days=100))
    with (
        closing(sqlite3.connect(early / DATABASE_NAME)) as one,
        closing(sqlite3.connect(late / DATABASE_NAME)) as other,
    ):
        for table, column in (("gauges", "cal_due"), ("machines", "commissioned_on"), ("issues", "opened_at"),
                              ("issues", "close_due_at"), ("projects", "sop_date")):  # fmt: skip
            query = f"SELECT julianday({column}) FROM {table} ORDER BY id"
            moved = {round(b - a, 6) for (a,), (b,) in zip(one.execute(query), other.execute(query), strict=True)}
            assert moved == {100.0}, (table, column)


async def test_on_its_own_day_the_plant_is_what_the_files_say(tmp_path: Path) -> None:
    store = await open_store(tmp_path, sample_plant=sample_plant_dir(), as_of=SAMPLE_AS_OF)
    async with store.reader() as reader:
        gauges = {gauge.id: gauge for gauge in (await reader.find(Gauge, Query())).items}
        issues = {issue.id: issue for issue in (await reader.find(Issue, Query())).items}
    await store.aclose()
    with (sample_plant_dir() / "gauges.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            gauge = gauges[row["gauge_id"]]
            assert gauge.cal_due.isoformat() == row["cal_due"]
            assert gauge.grr_pct == (float(row["grr_pct_tol"]) if row["grr_pct_tol"] else None)
            assert (gauge.cal_due < SAMPLE_AS_OF) is (row["overdue"] == "True")
    with (sample_plant_dir() / "issues.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            issue = issues[row["issue_id"]]
            assert (issue.opened_at.date().isoformat(), issue.state) == (row["opened_on"], row["state"])
            assert (issue.machine_id or "", issue.spec_id or "") == (row["machine_id"], row["spec_id"])


async def test_the_traps_of_the_sample_plant_stand_on_any_day(open_file) -> None:
    async with open_file() as store, store.reader() as reader:
        gauges = {gauge.id: gauge for gauge in (await reader.find(Gauge, Query())).items}
        machines = {machine.id: machine for machine in (await reader.find(Machine, Query())).items}
    assert {name for name, gauge in gauges.items() if gauge.cal_due < AS_OF} == {"LT-131", "GG-03"}
    assert (AS_OF - gauges["LT-131"].cal_due).days == 33
    assert (AS_OF - gauges["GG-03"].cal_due).days == 22
    assert (gauges["LT-131"].grr_pct, gauges["LT-131"].ndc) == (33.0, 3)
    assert machines["LT-131"].status is MachineStatus.DOWN
    assert machines["MC-104"].status is MachineStatus.DECOMMISSIONED
    assert machines["LT-131"].name == machines["LT-230"].name


async def test_seeding_again_changes_nothing_and_erasing_starts_over(folder: Path, make_issue) -> None:
    store = await open_store(folder, sample_plant=sample_plant_dir(), as_of=AS_OF)
    async with store.unit_of_work() as unit:
        await unit.insert(make_issue("ISS-9001"))
    await store.aclose()
    before = rows_of(folder)
    assert await reseed(folder, sample_plant=sample_plant_dir(), as_of=AS_OF, erase=False) is None
    assert rows_of(folder) == before
    assert await reseed(folder, sample_plant=sample_plant_dir(), as_of=AS_OF, erase=True) == SEEDED
    assert counts_of(folder)["issues"] == 72


async def test_an_erasure_that_cannot_seed_keeps_what_was_there(folder: Path, tmp_path: Path) -> None:
    before = rows_of(folder)
    with pytest.raises(FileNotFoundError):
        await reseed(folder, sample_plant=tmp_path / "nowhere", as_of=AS_OF, erase=True)
    assert rows_of(folder) == before


async def refusal_of(folder: Path) -> str:
    """How a start on this file is refused; the file must stay as it is."""
    file = folder / DATABASE_NAME
    before = file.read_bytes()
    with pytest.raises(ConfigurationError) as refused:
        await opened(folder)
    assert file.read_bytes() == before
    assert str(file) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("content", [b"", b"not a database at all\n" * 400, b"SQLite format 3\x00" + b"\xff" * 4096])
async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(content)
    assert "is damaged" in await refusal_of(tmp_path)


@pytest.mark.parametrize("where", [0.02, 0.3, 0.6, 0.9])
async def test_a_page_overwritten_anywhere_is_refused_at_the_start(folder: Path, where: float) -> None:
    file = folder / DATABASE_NAME
    content = bytearray(file.read_bytes())
    page = 4096 * max(1, int(len(content) * where) // 4096)
    content[page : page + 4096] = b"\xa5" * 4096
    file.write_bytes(content)
    assert "is damaged" in await refusal_of(folder)


async def test_a_file_cut_off_in_the_middle_is_refused_at_the_start(folder: Path) -> None:
    file = folder / DATABASE_NAME
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2 // 4096 * 4096])
    assert "is damaged" in await refusal_of(folder)


@pytest.mark.parametrize("revision", ["0099", "9999", "abc"])
async def test_a_schema_this_program_does_not_know_is_refused(folder: Path, revision: str) -> None:
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as file:
        file.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        file.commit()
    message = await refusal_of(folder)
    assert f"schema {revision}; this one knows {migrations.HEAD}" in message


async def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE_NAME)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("CREATE TABLE theirs (id)")
    assert "another program" in await refusal_of(tmp_path)


@pytest.mark.parametrize("nested", [False, True])
async def test_a_data_folder_that_is_a_file_is_refused_with_the_way_out(tmp_path: Path, nested: bool) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="--data-dir"):
        await opened(tmp_path / "file" / "nested" if nested else tmp_path / "file")


async def test_a_start_that_fails_leaves_the_file_to_the_next(folder: Path) -> None:
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
        file.commit()
    with pytest.raises(ConfigurationError):
        await opened(folder)
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as file:
        file.execute("UPDATE alembic_version SET version_num = ?", (migrations.HEAD,))
        file.commit()
    with anyio.fail_after(10):
        await opened(folder)


async def test_a_crash_before_the_first_transaction_does_not_block_the_next_start(tmp_path: Path) -> None:
    """What a start that was killed can leave: a half-made file under another name, or a made file without tables."""
    (tmp_path / f"{DATABASE_NAME}.1.new").write_bytes(b"")
    file = SqliteFile(tmp_path / DATABASE_NAME)
    await file.make()
    await file.aclose()
    assert (tmp_path / DATABASE_NAME).stat().st_size > 0
    await opened(tmp_path)
    assert counts_of(tmp_path)["machines"] == 42


async def test_a_companion_starts_without_a_record_and_refers_to_what_it_does_not_hold(tmp_path, make_issue) -> None:
    issue = make_issue("ISS-9001", machine_id="NOT-HERE")
    companion = await open_companion(tmp_path, "mes-line-1")
    assert companion.source == "sqlite:mes-line-1.sqlite3"
    async with companion.unit_of_work() as unit:
        assert (await unit.find(Project, Query())).total == 0
        await unit.insert(issue)
    await companion.aclose()
    again = await open_companion(tmp_path, "mes-line-1")
    async with again.reader() as reader:
        assert await reader.get(Issue, "ISS-9001") == issue
    await again.aclose()
    assert {path.name for path in tmp_path.iterdir()} == {"mes-line-1.sqlite3", "mes-line-1.lock"}
