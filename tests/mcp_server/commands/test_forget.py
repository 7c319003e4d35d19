"""`shopfloor-mcp backend forget` as a person or a script meets it, over a real HTTP system."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from starlette.responses import Response
from typer.testing import CliRunner, Result

from mcp_server.cli import app
from tests.support.described_plant import begun, described_plant
from tests.support.plant_lies import Columns
from tests.support.plant_system import Behavior, PlantSystem, Store, Table
from tests.support.sample_plant import report

Run = Callable[..., Result]


class DeafSystem(PlantSystem):
    """Answers each write with an error, and stores nothing."""

    def _written(self, table: Table, body: Columns, store: Store, status: int, *, keyed: bool) -> Response:
        del table, body, store, status, keyed
        return Response(status_code=500)


@pytest.fixture
def lost(tmp_path: Path) -> PlantSystem:
    """A system to which an issue was sent that never arrived."""
    house, start = begun()
    behavior = Behavior(client_ids=False)

    async def lose() -> PlantSystem:
        async with described_plant(house, start, tmp_path, behavior) as plant:
            sound = house.plant
            house.plant = DeafSystem(behavior, sound.tables)
            refused = await plant.refused("log_issue", report(), key="a-key-of-ann")
            assert "Unconfirmed" in refused.message
            house.plant = sound
            return sound

    return anyio.run(lose)


@pytest.fixture
def run(lost: PlantSystem, tmp_path: Path) -> Run:
    del lost

    def invoked(*arguments: str, says: str = "") -> Result:
        where = ("--backend", str(tmp_path / "plant_system.yaml"), "--data-dir", str(tmp_path))
        return CliRunner().invoke(app, ["backend", *arguments, *where], input=says)

    return invoked


def open_writes(folder: Path) -> list[str]:
    """The records of the writes without an end, read past all our code."""
    [companion] = folder.glob("companion-*.sqlite3")
    with closing(sqlite3.connect(f"file:{companion}?mode=ro", uri=True)) as connection:
        query = "SELECT json_extract(sending, '$.record_id') FROM idempotency_keys WHERE sending IS NOT NULL"
        return [record_id for (record_id,) in connection.execute(query)]


def test_the_check_names_the_command_and_a_yes_ends_the_write(run: Run, tmp_path: Path) -> None:
    (record,) = open_writes(tmp_path)
    assert f"`shopfloor-mcp backend forget {record}`" in run("check").stdout

    done = run("forget", record, says="y\n")

    assert done.exit_code == 0
    assert done.stdout.startswith(f"Forgotten: log_issue of {record}, since ")
    assert "Forget it? [y/N]" in done.stderr
    assert open_writes(tmp_path) == []


def test_without_a_yes_nothing_is_forgotten(run: Run, tmp_path: Path) -> None:
    (record,) = open_writes(tmp_path)
    done = run("forget", record, says="\n")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Nothing was changed." in done.stderr
    assert open_writes(tmp_path) == [record]


def test_json_is_one_object_and_with_yes_nobody_is_asked(run: Run, tmp_path: Path) -> None:
    (record,) = open_writes(tmp_path)
    done = run("forget", record, "--yes", "--json")
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["forgotten"] is True
    assert [(write["tool"], write["record"]) for write in told["writes"]] == [("log_issue", record)]
    again = run("forget", record, "--yes", "--json")
    assert again.exit_code == 1
    assert json.loads(again.stdout)["error"]["code"] == "not_found"


def test_a_record_that_is_there_is_not_forgotten_and_the_same_call_is_named(
    run: Run, lost: PlantSystem, tmp_path: Path
) -> None:
    (record,) = open_writes(tmp_path)
    lost.tables["issues"]["77"] = {"ref": "77", "version": 1, "title": f"[{record}] Late"}
    done = run("forget", record, "--yes")
    assert done.exit_code == 1
    assert "Repeat log_issue with the same arguments and the key a-key-of-ann" in done.stderr
    assert open_writes(tmp_path) == [record]


def test_an_unknown_record_is_told_with_the_open_writes(run: Run, tmp_path: Path) -> None:
    (record,) = open_writes(tmp_path)
    done = run("forget", "ISS-9999")
    assert done.exit_code == 1
    assert f"No write of 'ISS-9999' is open. Open writes: {record} (log_issue, " in done.stderr


def test_a_database_of_ours_has_no_open_writes_and_wrong_settings_are_wrong_usage(tmp_path: Path) -> None:
    ours = CliRunner().invoke(app, ["backend", "forget", "ISS-0001", "--data-dir", str(tmp_path)])
    assert (ours.exit_code, "no write stays open" in ours.stderr) == (1, True)
    wrong = CliRunner().invoke(app, ["backend", "forget", "ISS-0001", "--backend", "mysql://plant"])
    assert (wrong.exit_code, "names no system" in wrong.stderr) == (2, True)
