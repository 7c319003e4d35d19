"""Several processes on one file: taking turns, waiting no longer than agreed, and being killed at any moment."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from mcp_server.backends.base import AuditEntry, Query
from mcp_server.backends.sql.provision import DATABASE_NAME
from mcp_server.domain.records import Issue, Machine
from mcp_server.errors import BackendUnavailable

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KILLS = 20
TURNS = 40
WRITER = Path(__file__).with_name("writer_process.py")
HOLD_DATABASE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
HOLD_LOCK = """
import filelock, pathlib, sys
with filelock.FileLock(pathlib.Path(sys.argv[1]).with_suffix(".lock")):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def says(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


def tell(started: subprocess.Popen[str], line: str) -> None:
    assert started.stdin is not None
    started.stdin.write(line + "\n")
    started.stdin.flush()


@pytest.mark.parametrize("hold", [HOLD_DATABASE, HOLD_LOCK], ids=["database", "lock"])
async def test_a_unit_waits_for_another_process_no_longer_than_the_busy_timeout(open_file, folder, hold: str) -> None:
    async with open_file(busy_timeout_s=0.2) as store:
        with process("-c", hold, folder / DATABASE_NAME) as other:
            assert says(other) == "held"
            started = anyio.current_time()
            with pytest.raises(BackendUnavailable, match="Another process") as refused:
                async with store.unit_of_work():
                    pytest.fail("two writers at once")
            assert 0.2 <= anyio.current_time() - started < 2
            assert refused.value.retryable
            async with store.reader() as reader:  # reading goes on meanwhile
                assert (await reader.find(Machine, Query(limit=1))).total == 42
        async with store.unit_of_work() as unit:
            assert await unit.next_id(Issue, "ISS-") == "ISS-0073"


@pytest.mark.parametrize("hold", [HOLD_DATABASE, HOLD_LOCK], ids=["database", "lock"])
async def test_the_wait_for_another_process_ends_with_the_callers_deadline(open_file, folder, hold: str) -> None:
    async with open_file(busy_timeout_s=30) as store:
        with process("-c", hold, folder / DATABASE_NAME) as other:
            assert says(other) == "held"
            started = anyio.current_time()
            with anyio.move_on_after(0.1) as scope:
                async with store.unit_of_work():
                    pytest.fail("two writers at once")
            assert scope.cancelled_caught
            assert anyio.current_time() - started < 2
        with anyio.fail_after(10):
            async with store.unit_of_work() as unit:
                assert await unit.next_id(Issue, "ISS-") == "ISS-0073"


async def test_two_processes_write_in_turns_and_none_is_starved(open_file, folder: Path) -> None:
    with process(WRITER, folder, "turns", TURNS) as other:
        assert says(other) == "ready"
        tell(other, "go")
        async with open_file() as store:
            for number in range(TURNS):
                async with store.unit_of_work() as unit:
                    await unit.audit(AuditEntry(NOW, "here", None, "test", "ok", None, str(number), None, {}))
        assert await anyio.to_thread.run_sync(says, other) == "done"
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as file:
        counts = dict(file.execute("SELECT principal, count(DISTINCT record_id) FROM audit_log GROUP BY principal"))
        rows = [row[0] for row in file.execute("SELECT id FROM audit_log ORDER BY id")]
    assert counts == {"here": TURNS, "there": TURNS}
    assert rows == list(range(1, 2 * TURNS + 1))


def test_a_killed_writer_loses_no_acknowledged_unit_and_leaves_no_half_one(folder: Path) -> None:
    """Each unit writes an issue, a key and an audit row, and is acknowledged after its commit.

    Acknowledged is what the writer printed; it is killed without warning while it goes on writing.
    """
    chance = random.Random(20261122)
    acknowledged: set[str] = set()
    with process(WRITER, folder, "kill", 0) as nursery:
        assert says(nursery) == "ready"
        for _ in range(KILLS):
            tell(nursery, "go")
            writer = int(says(nursery))
            for _ in range(chance.randint(1, 12)):
                acknowledged.add(says(nursery))
            os.kill(writer, signal.SIGKILL)
            while (line := says(nursery)) != "dead":
                acknowledged.add(line)
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("PRAGMA foreign_key_check").fetchall() == []
        issues, keys, audited = (
            [row[0] for row in file.execute(query)]
            for query in (
                "SELECT id FROM issues WHERE id LIKE 'KILL-%' ORDER BY id",
                "SELECT key FROM idempotency_keys ORDER BY key",
                "SELECT record_id FROM audit_log ORDER BY record_id",
            )
        )
    assert len(acknowledged) >= KILLS
    assert acknowledged <= set(issues)
    assert issues == keys == audited
    assert len(issues) - len(acknowledged) <= KILLS  # at most the one unit under way was stored unacknowledged
    assert len(set(issues)) == len(issues)
