"""docs/connect-your-system.md is true: what it shows is printed, and what it says of each system is so.

Its section on the MES is followed in tests/real_systems.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from mcp_server.backends.fsmes import open_fsmes
from mcp_server.backends.remote.port import Collection, RemoteSystem
from mcp_server.backends.sql.tables import TABLES
from mcp_server.backends.tryton import open_tryton
from mcp_server.domain.records import Record
from tests.end_to_end.programs import DEADLINE_S
from tests.support.plants import free_port
from tests.support.postgres import PASSWORD, running_cluster
from tests.support.tutorial import differences, steps_of

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "connect-your-system.md"
FEW = 8


@pytest.fixture
def practice_port() -> Iterator[int]:
    port = free_port()
    program = [sys.executable, DOCS / "practice_cmms.py", str(port)]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "Practice CMMS" in process.stderr.readline()
        yield port
        process.terminate()
        process.wait(DEADLINE_S)


def test_a_described_system_is_connected_step_by_step_as_the_page_shows(tmp_path: Path, practice_port: int):
    folder = tmp_path / "empty"
    folder.mkdir()
    steps = steps_of(PAGE, "A system that is not known yet")
    other = {"127.0.0.1:8765": f"127.0.0.1:{practice_port}"}

    assert len(steps) > 20
    assert differences(steps, folder, {"SHOPFLOOR_DATA_DIR": str(tmp_path / "data")}, other) == []


def test_a_postgresql_database_is_connected_as_the_page_shows(tmp_path: Path):
    steps = steps_of(PAGE, "PostgreSQL for a whole plant")
    assert len(steps) > 5
    with running_cluster() as cluster:
        cluster.run_sql("CREATE DATABASE plant TEMPLATE template0")
        settings = {"PGPASSWORD": PASSWORD, "PATH": f"{cluster.programs}:{os.environ['PATH']}"}
        data = {"SHOPFLOOR_DATA_DIR": str(tmp_path / "data")}
        assert differences(steps, tmp_path, settings | data, {"127.0.0.1:5432": f"127.0.0.1:{cluster.port}"}) == []


def test_the_table_of_what_each_system_can_hold_is_so():
    assert "\n".join(what_each_holds()) in PAGE.read_text()


def what_each_holds() -> Iterator[str]:
    secret = SecretStr("0" * 64)
    systems: Sequence[RemoteSystem] = (
        open_fsmes("fsmes+http://127.0.0.1", user="ADMIN", password=secret, token=None),
        open_tryton("tryton+http://127.0.0.1/factory", token=secret),
    )
    yield "| record | FactorySemantics MES | Tryton |"
    yield "|---|---|---|"
    for kind in TABLES:
        held = [system.collections.get(kind) for system in systems]
        if any(held):
            cells = ["nothing" if each is None else holds(kind, each) for each in held]
            yield f"| {kind.noun} | {' | '.join(cells)} |"


def holds(kind: type[Record], collection: Collection[Record]) -> str:
    def names(wanted: Sequence[str] | frozenset[str]) -> str:
        return ", ".join(f"`{name}`" for name in kind.model_fields if name in wanted)

    fields = [mapped.field for mapped in collection.fields]
    others = [name for name in kind.model_fields if name not in {"id", *fields}]
    told = "all" if not others else names(fields) if len(fields) <= FEW else f"all but {names(others)}"
    new = "new" if collection.creates else "none new"
    changes = f"; changes {names(collection.changes)}" if collection.changes else ""
    return f"{told}; {new}{changes}"
