"""A store of an older program: everything in it survives the upgrade, and it becomes what a new store is."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from alembic import command
from structlog.testing import capture_logs

from mcp_server.backends.base import Query
from mcp_server.backends.sql import migrations
from mcp_server.backends.sql.mapping import values_of
from mcp_server.backends.sql.provision import DATABASE_NAME, open_store, reseed
from mcp_server.backends.sql.seed import sample_records
from mcp_server.backends.sql.sqlite import SqliteFile
from mcp_server.backends.sql.tables import TABLES
from mcp_server.bundled import sample_plant_dir
from mcp_server.domain.records import EquipmentNode, Gauge, Issue, Machine, Material, Project, Spec, Workstation
from mcp_server.errors import ConfigurationError
from tests.support.sample_plant import AS_OF, sample_plant

pytestmark = pytest.mark.anyio

LATER = AS_OF + timedelta(days=40)
SEEDED_BEFORE = (Project, EquipmentNode, Machine, Material, Spec, Workstation, Gauge, Issue)
BACKUP = f"{DATABASE_NAME}.before-{migrations.HEAD}"
WRITER = Path(__file__).with_name("writer_process.py")
OPEN = """
import anyio, sys
from datetime import date
from functools import partial
from pathlib import Path
from mcp_server.backends.sql.provision import open_store

folder, plant = map(Path, sys.argv[1:])
anyio.run(partial(open_store, folder, sample_plant=plant, as_of=date(2026, 11, 22)))
"""
OWN_ROWS: dict[str, list[dict[str, Any]]] = {
    "plant_info": [{"key": "as_of", "value": "2026-11-22"}, {"key": "sample_as_of", "value": "2026-06-30"}],
    "quality_plans": [{
        "id": "QP-0001", "project": "ALPHA", "title": "Housing FC57, Ölnut", "phase": "prototype",
        "material_id": "HSG-FC57", "material_revision": "D", "revision": 3, "state": "draft",
        "customer": "Nordwagen (sample)", "core_team": '["A. Novak", "M. Ruiz"]',
        "created_at": "2026-11-01 08:15:00.000001", "created_by": "E105",
    }],
    "quality_plan_rows": [
        {
            "plan_id": "QP-0001", "position": 1, "spec_id": "SP-001", "operation": "OP20", "machine_id": "MC-103",
            "characteristic": "Piston bore diameter", "kind": "product", "unit": "mm", "nominal": 57.015, "lsl": 57.0,
            "usl": 57.03, "special_class": "CC", "technique": "bore air gauge", "gauge_id": "AG-01",
            "sampling": "fixed", "sample_size": 5, "aql": None, "inspection_level": None,
            "frequency": "every 2 hours", "control_method": "spc_chart", "reaction_plan": "Stop and sort back.",
            "reaction_owner": "Shift lead",
        },
        {
            "plan_id": "QP-0001", "position": 2, "spec_id": None, "operation": "OP30", "machine_id": None,
            "characteristic": "Paint, scratches", "kind": "product", "unit": "ok/nok", "nominal": None, "lsl": None,
            "usl": None, "special_class": None, "technique": "by eye", "gauge_id": None,
            "sampling": "aql", "sample_size": None, "aql": "0.65", "inspection_level": "S-4",
            "frequency": "every lot", "control_method": "inspection_record", "reaction_plan": "Hold the lot.",
            "reaction_owner": "E105",
        },
    ],
    "issues": [{
        "id": "ISS-0073", "project": "ALPHA", "title": "Burr on the groove", "description": "Found at the wash.",
        "category": "quality", "severity": "critical", "state": "open", "machine_id": "MC-103",
        "workstation": None, "material_id": "HSG-FC57", "spec_id": "SP-001", "qty_affected": 3,
        "detected_at": "2026-11-20 06:00:00.000000", "detected_by": "M. Novak",
        "immediate_containment": "Held in the red cage.", "opened_at": "2026-11-20 06:01:02.345678",
        "acknowledge_due_at": "2026-11-20 07:01:02.345678", "contain_due_at": "2026-11-20 10:01:02.345678",
        "close_due_at": "2026-12-20 06:01:02.345678",
    }],
    "audit_log": [{
        "id": 41, "at": "2026-11-20 06:01:02.345678", "principal": "local", "on_behalf_of": "E105",
        "tool": "log_issue", "outcome": "created", "record_type": "Issue", "record_id": "ISS-0073",
        "idempotency_key": "k-1", "arguments": '{"project": "ALPHA", "qty_affected": 3}',
    }],
    "idempotency_keys": [{
        "principal": "local", "tool": "log_issue", "key": "k-1", "arguments_hash": "f00d", "result": '{"audit_id": 41}',
        "stored_at": "2026-11-20 06:01:02.345678", "expires_at": "2026-11-27 06:01:02.345678",
    }],
}  # fmt: skip
"""What the older program and its users added to the records of the sample plant, as it stands in the file."""


@pytest.fixture(scope="session")
def older_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Schema 0001 with the sample plant of that program and `OWN_ROWS`."""
    path = tmp_path_factory.mktemp("older") / DATABASE_NAME
    anyio.run(partial(make_older, path, seeded=True))
    with closing(sqlite3.connect(path)) as file:
        for table, rows in OWN_ROWS.items():
            names = ", ".join(rows[0])
            file.executemany(f"INSERT INTO {table} ({names}) VALUES (:{names.replace(', ', ', :')})", rows)
        file.commit()
    return path


@pytest.fixture
def older(older_file: Path, tmp_path: Path) -> Path:
    """A data folder with a store of the older program."""
    shutil.copy(older_file, tmp_path / DATABASE_NAME)
    return tmp_path


async def make_older(path: Path, *, seeded: bool) -> None:
    def migrate(connection: sa.Connection) -> None:
        config = migrations.alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    file = SqliteFile(path)
    await file.make()
    async with file.writing() as connection:
        await connection.run_sync(migrate)
        known = await connection.run_sync(columns_of)
        records = sample_records(sample_plant_dir(), AS_OF) if seeded else []
        for kind, same in groupby((record for record in records if isinstance(record, SEEDED_BEFORE)), key=type):
            table = TABLES[kind]
            rows = [{name: values_of(record)[name] for name in known[table.name]} for record in same]
            await connection.execute(sa.insert(table), rows)
    await file.aclose()


def columns_of(connection: sa.Connection) -> dict[str, list[str]]:
    found = sa.inspect(connection)
    return {name: [column["name"] for column in found.get_columns(name)] for name in found.get_table_names()}


async def upgraded(folder: Path) -> None:
    store = await open_store(folder, sample_plant=sample_plant_dir(), as_of=LATER)
    await store.aclose()


def read(path: Path, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as file:
        file.row_factory = sqlite3.Row
        return [dict(row) for row in file.execute(query)]


def schema_of(path: Path) -> list[dict[str, Any]]:
    return read(path, "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")


def rows_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    names = [row["name"] for row in schema_of(path) if row["type"] == "table"]
    return {
        name: sorted(read(path, f'SELECT * FROM "{name}"'), key=lambda row: str(tuple(row.values()))) for name in names
    }


@contextmanager
def change(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA foreign_keys=ON")
        yield file
        file.commit()


def is_part(row: dict[str, Any], whole: dict[str, Any]) -> bool:
    return row.items() <= whole.items()


async def test_every_row_survives_with_all_its_values(older: Path) -> None:
    before = rows_of(older / DATABASE_NAME)
    assert all(before.values())
    await upgraded(older)
    after = rows_of(older / DATABASE_NAME)
    keys = {"QP-0001": "QP-0001@0003"}
    for row in before["quality_plan_rows"]:
        row["plan_key"] = keys[row.pop("plan_id")]
    assert before.pop("alembic_version") != after.pop("alembic_version") == [{"version_num": migrations.HEAD}]
    for name, rows in before.items():
        own = after[name]
        if name in {"quality_plans", "quality_plan_rows"}:  # the sample plant has got some
            own = [row for row in own if "QP-0001" in {row.get("id"), row.get("plan_key", "").partition("@")[0]}]
        assert len(own) == len(rows), name
        assert all(is_part(*pair) for pair in zip(rows, own, strict=True)), name


async def test_what_an_older_row_did_not_have_is_filled_by_the_rules(older: Path) -> None:
    await upgraded(older)
    (plan,) = read(older / DATABASE_NAME, "SELECT * FROM quality_plans WHERE id = 'QP-0001'")
    assert is_part({"signatures": "[]", "change_reason": None, "review_reason": None, "revision": 3}, plan)
    (issue,) = read(older / DATABASE_NAME, "SELECT * FROM issues WHERE id = 'ISS-0073'")
    new = issue.keys() - OWN_ROWS["issues"][0].keys()
    lists = {"lot_ids", "actions", "effect_checks", "dispositions", "escalations", "comments", "rounds"}
    made = {"revision": 1, "root_cause_due_at": "2026-11-25 06:01:02.345678"} | dict.fromkeys(lists, "[]")
    assert {name: issue[name] for name in new} == dict.fromkeys(new, None) | made


async def test_the_root_cause_is_due_as_for_an_issue_of_today(older: Path) -> None:
    await upgraded(older)
    issues = read(older / DATABASE_NAME, "SELECT severity, opened_at, root_cause_due_at FROM issues")
    allowed = {
        (row["severity"], datetime.fromisoformat(row["root_cause_due_at"]) - datetime.fromisoformat(row["opened_at"]))
        for row in issues
    }
    assert allowed == {
        ("critical", timedelta(days=5)),
        ("major", timedelta(days=10)),
        ("minor", timedelta(days=20)),
    }


async def test_the_upgraded_schema_is_that_of_a_new_store(older: Path, seeded_file: Path) -> None:
    await upgraded(older)
    assert schema_of(older / DATABASE_NAME) == schema_of(seeded_file)
    assert read(older / DATABASE_NAME, "PRAGMA foreign_key_check") == []
    assert read(older / DATABASE_NAME, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


async def test_an_upgraded_sample_plant_has_all_kinds_for_the_day_it_was_seeded_for(older, seeded_file: Path) -> None:
    seeded_before = {TABLES[kind].name for kind in SEEDED_BEFORE}
    await upgraded(older)
    new, found = rows_of(seeded_file), rows_of(older / DATABASE_NAME)
    for table in TABLES.values():
        rows = [row for row in found[table.name] if not row["id"].startswith(("QP-", "ISS-0073"))]
        if table.name in seeded_before:
            assert [row["id"] for row in rows] == [row["id"] for row in new[table.name]]
        else:
            assert rows == new[table.name], table.name


async def test_every_record_of_an_upgraded_store_can_be_read(older: Path) -> None:
    store = await open_store(older, sample_plant=sample_plant_dir(), as_of=LATER)
    async with store.reader() as reader:
        counts = {kind: (await reader.find(kind, Query())).total for kind in TABLES}
    await store.aclose()
    assert {table.name for kind, table in TABLES.items() if not counts[kind]} == {"record_history"}


async def test_a_plan_of_the_older_program_is_found_and_changed(older: Path) -> None:
    async with sample_plant(older) as plant:
        found = await plant.call("get_quality_plans", {"project": "ALPHA"})
        (plan,) = [plan for plan in found["items"] if plan["id"] == "QP-0001"]
        assert (plan["revision"], plan["title"], plan["row_count"]) == (3, "Housing FC57, Ölnut", 2)
        changes = [{"row": 0, "field": "sample_size", "value": "8"}]
        asked = {"project": "ALPHA", "plan_id": "QP-0001", "expected_revision": 3, "changes": changes}
        done = await plant.call("update_quality_plan", asked | {"change_reason": "Bore drifts after a tool change"})
        assert (done["status"], done["record"]["revision"]) == ("updated", 4)
        assert [row.get("sample_size") for row in done["record"]["rows"]] == [8, None]
        stored = plant.rows("SELECT key, state FROM quality_plans WHERE id = 'QP-0001' ORDER BY key")
    assert [tuple(row.values()) for row in stored] == [("QP-0001@0003", "superseded"), ("QP-0001@0004", "draft")]


async def test_an_issue_of_the_older_program_is_found_and_the_next_gets_the_next_number(older: Path) -> None:
    async with sample_plant(older) as plant:
        assert (await plant.call("get_record", {"project": "ALPHA", "type": "issue", "id": "ISS-0073"}))["record"][
            "revision"
        ] == 1
        report = {"project": "ALPHA", "title": "Oil on the floor", "description": "Under the washer.",
                  "category": "safety", "detected_by": "E105"}  # fmt: skip
        assert (await plant.call("log_issue", report))["record"]["id"] == "ISS-0074"
        assert plant.rows("SELECT max(id) AS id FROM audit_log") == [{"id": 42}]


async def test_what_is_about_a_record_that_was_deleted_is_not_added(older: Path) -> None:
    with change(older / DATABASE_NAME) as file:
        file.execute("DELETE FROM issues WHERE machine_id = 'WA-111'")
        file.execute("DELETE FROM machines WHERE id = 'WA-111'")
    await upgraded(older)
    found = rows_of(older / DATABASE_NAME)
    for name in ("machines", "pm_plans", "pm_tasks", "work_orders", "maintenance_history", "meter_readings"):
        assert found[name]
        assert "WA-111" not in {row.get("machine_id", row["id"]) for row in found[name]}, name


async def test_the_older_store_is_kept_beside_the_new_one(older_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a # b ? c % d"
    folder.mkdir()
    shutil.copy(older_file, folder / DATABASE_NAME)
    (folder / DATABASE_NAME).chmod(0o600)
    (folder / f"{BACKUP}.new").write_bytes(b"left by a crash")
    before = rows_of(older_file)
    with capture_logs() as said:
        await upgraded(folder)
    assert [line["event"] for line in said] == ["plant database backed up", "plant database upgraded"]
    assert said[0]["backup"] == str(folder / BACKUP)
    assert {path.name for path in folder.iterdir()} == {DATABASE_NAME, BACKUP, "plant.lock"}
    made = (folder / BACKUP).stat()
    assert made.st_mode & 0o777 == 0o600
    with capture_logs() as said:
        await upgraded(folder)
    assert said == []
    assert (folder / BACKUP).stat().st_mtime_ns == made.st_mtime_ns
    assert rows_of(folder / BACKUP) == before


async def test_an_upgrade_without_a_backup_is_not_begun(older: Path) -> None:
    (older / BACKUP).mkdir()
    before = rows_of(older / DATABASE_NAME)
    with pytest.raises(ConfigurationError, match=f"its backup {BACKUP} cannot be written"):
        await upgraded(older)
    assert rows_of(older / DATABASE_NAME) == before
    assert not (older / f"{BACKUP}.new").exists()
    (older / BACKUP).rmdir()
    await upgraded(older)
    assert rows_of(older / BACKUP) == before


async def test_rows_that_the_new_schema_forbids_stop_the_upgrade_and_stay(older: Path) -> None:
    with change(older / DATABASE_NAME) as file:
        file.execute("UPDATE specs SET data_type = 'length' WHERE id = 'SP-001'")
    before = rows_of(older / DATABASE_NAME)
    with pytest.raises(ConfigurationError, match=r"cannot be upgraded .* ck_specs_data_type") as refused:
        await upgraded(older)
    assert str(older / DATABASE_NAME) in str(refused.value)
    assert rows_of(older / DATABASE_NAME) == before
    with change(older / DATABASE_NAME) as file:
        file.execute("UPDATE specs SET data_type = 'variable' WHERE id = 'SP-001'")
    await upgraded(older)
    (spec,) = read(older / BACKUP, "SELECT data_type FROM specs WHERE id = 'SP-001'")
    assert spec == {"data_type": "variable"}


def test_a_process_killed_in_the_middle_leaves_the_older_store(older: Path, seeded_file: Path, tmp_path: Path) -> None:
    """The new tables are made and filled when the people are read; the pipe holds the process there."""
    before = rows_of(older / DATABASE_NAME)
    plant = shutil.copytree(sample_plant_dir(), tmp_path / "plant")
    (plant / "people.csv").unlink()
    os.mkfifo(plant / "people.csv")
    with subprocess.Popen([sys.executable, "-c", OPEN, str(older), str(plant)]) as killed:
        with (plant / "people.csv").open("w"):  # waits until the other side reads
            killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert rows_of(older / DATABASE_NAME) == rows_of(older / BACKUP) == before
    anyio.run(upgraded, older)
    assert schema_of(older / DATABASE_NAME) == schema_of(seeded_file)
    assert len(rows_of(older / DATABASE_NAME)["people"]) == len(rows_of(seeded_file)["people"])


async def test_a_sample_plant_that_cannot_be_read_leaves_the_older_store(older: Path, tmp_path: Path) -> None:
    before = rows_of(older / DATABASE_NAME)
    with pytest.raises(FileNotFoundError):
        await open_store(older, sample_plant=tmp_path / "nowhere", as_of=AS_OF)
    assert rows_of(older / DATABASE_NAME) == before


def test_two_processes_that_open_an_older_store_at_once_end_with_one_upgrade(older: Path, seeded_file: Path) -> None:
    before = rows_of(older / DATABASE_NAME)
    line = [sys.executable, str(WRITER), str(older), "turns", "1"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, **pipes) as first, subprocess.Popen(line, **pipes) as second:
        for started in (first, second):
            assert started.stdout.readline() == "ready\n"
        for started in (first, second):
            started.stdin.write("go\n")
            started.stdin.flush()
        ended = [(*started.communicate(), started.returncode) for started in (first, second)]
    assert [(said.splitlines()[-1], errors, code) for said, errors, code in ended] == [("done", "", 0)] * 2
    assert sum(said.count("plant database upgraded") for said, _, _ in ended) == 1
    found = rows_of(older / DATABASE_NAME)
    assert schema_of(older / DATABASE_NAME) == schema_of(seeded_file)
    assert len(found["people"]) == len(rows_of(seeded_file)["people"])
    assert [row["id"] for row in found["audit_log"]] == [41, 42, 43]
    assert rows_of(older / BACKUP) == before


async def test_an_older_store_that_was_never_seeded_gets_the_whole_sample_plant(tmp_path, seeded_file: Path) -> None:
    await make_older(tmp_path / DATABASE_NAME, seeded=False)
    store = await open_store(tmp_path, sample_plant=sample_plant_dir(), as_of=AS_OF)
    await store.aclose()
    assert rows_of(tmp_path / DATABASE_NAME) == rows_of(seeded_file)


async def test_erasing_an_older_store_starts_over_and_keeps_the_backup(older: Path, seeded_file: Path) -> None:
    before = rows_of(older / DATABASE_NAME)
    await reseed(older, sample_plant=sample_plant_dir(), as_of=AS_OF, erase=True)
    found, new = rows_of(older / DATABASE_NAME), rows_of(seeded_file)
    assert {name: rows for name, rows in found.items() if name != "sqlite_sequence"} == {
        name: rows for name, rows in new.items() if name != "sqlite_sequence"
    }
    assert rows_of(older / BACKUP) == before
