import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from orchestrator_client.dialogue.messages import assistant, context, note, user
from orchestrator_client.dialogue.state import SessionState, TaskState
from orchestrator_client.errors import ConfigurationError
from orchestrator_client.sessions.store import SessionStore

pytestmark = pytest.mark.anyio

LIMIT_S = 30.0

VERSION_1 = """
CREATE TABLE sessions (
    id TEXT NOT NULL, title TEXT NOT NULL, state JSON NOT NULL, revision INTEGER NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_sessions_updated_at ON sessions (updated_at);
CREATE TABLE turns (
    session_id TEXT NOT NULL, number INTEGER NOT NULL, message_id TEXT NOT NULL, text TEXT NOT NULL, result JSON,
    PRIMARY KEY (session_id, number), UNIQUE (session_id, message_id),
    FOREIGN KEY(session_id) REFERENCES sessions (id));
CREATE TABLE messages (
    session_id TEXT NOT NULL, number INTEGER NOT NULL, turn INTEGER NOT NULL, task_id TEXT NOT NULL,
    kind TEXT NOT NULL, body JSON NOT NULL, PRIMARY KEY (session_id, number),
    FOREIGN KEY(session_id) REFERENCES sessions (id));
CREATE INDEX ix_messages_task ON messages (session_id, task_id, number);
INSERT INTO sessions VALUES ('open', 'a leak ü', '{"mode": "task_active", "project": "ALPHA", "task": {"id": "t1",
    "agent": "issue_tracking", "opening_message": "a leak \\u00fc"}, "suggestions": ["Show the issues"]}', 3,
    '2026-10-01T08:00:00.000000+00:00', '2026-10-01T08:05:00.000000+00:00');
INSERT INTO sessions VALUES ('idle', 'hello', '{"mode": "orchestrator", "project": null, "task": null,
    "suggestions": []}', 1, '2026-10-02T08:00:00.000000+00:00', '2026-10-02T08:05:00.000000+00:00');
INSERT INTO turns VALUES ('open', 1, 'm1', 'a leak ü', '{"reply": "Where?"}');
INSERT INTO turns VALUES ('open', 2, 'm2', 'at LT-131', NULL);
INSERT INTO turns VALUES ('idle', 1, 'm1', 'hello', '{"reply": "Hello."}');
INSERT INTO messages VALUES ('open', 1, 1, 't1', 'context', '{"role": "user", "blocks": [{"type": "text",
    "text": "Project: ALPHA"}]}');
INSERT INTO messages VALUES ('open', 2, 1, 't1', 'person', '{"role": "user", "blocks": [{"type": "text",
    "text": "a leak \\u00fc"}]}');
INSERT INTO messages VALUES ('open', 3, 1, 't1', 'note', '{"role": "user", "blocks": [{"type": "text",
    "text": "not yet"}]}');
INSERT INTO messages VALUES ('open', 4, 1, 't1', 'agent', '{"role": "assistant", "blocks": [{"type": "text",
    "text": "Where?"}]}');
INSERT INTO messages VALUES ('open', 5, 2, 't1', 'person', '{"role": "user", "blocks": [{"type": "text",
    "text": "at LT-131"}]}');
PRAGMA user_version=1;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


@pytest.fixture
def old(path: Path) -> Path:
    """A file as version 1 wrote it."""
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(VERSION_1)
    path.chmod(0o644)
    return path


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SessionStore]:
    store = await SessionStore.open(path)
    try:
        yield store
    finally:
        await store.aclose()


def backup_of(path: Path) -> Path:
    return path.with_name("sessions.sqlite3.before-2")


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        version = raw.execute("PRAGMA user_version").fetchone()[0]
        return [*raw.iterdump(), f"version {version}"]


def shape(path: Path) -> dict[str, object]:
    """Columns, keys and indices of every table, whatever the words that made them."""
    with closing(sqlite3.connect(path)) as raw:
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        facts = ("table_info", "foreign_key_list", "index_list")
        return {
            f"{name} {fact}": raw.execute(f"PRAGMA {fact}({name})").fetchall() for name in names for fact in facts
        } | {
            f"{name} columns of {index[1]}": raw.execute(f"PRAGMA index_info({index[1]})").fetchall()
            for name in names
            for index in raw.execute(f"PRAGMA index_list({name})").fetchall()
        }


async def test_an_old_file_keeps_its_sessions_and_its_open_task(old: Path) -> None:
    async with opened(old) as store:
        listed = await store.sessions()
        assert [(entry.id, entry.title, entry.turns) for entry in listed] == [
            ("idle", "hello", 1),
            ("open", "a leak ü", 2),
        ]
        assert listed[1].created_at == "2026-10-01T08:00:00.000000+00:00"
        assert listed[1].updated_at == "2026-10-01T08:05:00.000000+00:00"
        assert await store.state("open") == SessionState(
            project="ALPHA",
            task=TaskState(
                id="t1", agent="issue_tracking", opening_message="a leak ü", project="ALPHA", context_of="ALPHA"
            ),
            suggestions=("Show the issues",),
            heard=2,
        )
        assert await store.state("idle") == SessionState()
        turns = await store.turns("open")
        assert [(turn.text, turn.result) for turn in turns] == [("a leak ü", {"reply": "Where?"}), ("at LT-131", None)]
        assert await store.unfinished_turn("open") == turns[1]


async def test_old_messages_say_who_speaks_as_new_ones_do(old: Path) -> None:
    async with opened(old) as store:
        log = await store.log("open", task_id="t1")
    expected = [context("Project: ALPHA"), user("a leak ü"), note("not yet"), assistant("Where?"), user("at LT-131")]
    assert [entry.message for entry in log] == expected
    assert [entry.kind for entry in log] == [message.kind for message in expected]


async def test_an_upgraded_file_has_the_shape_of_a_new_one(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "sessions.sqlite3"
    async with opened(old), opened(new):
        pass
    assert shape(old) == shape(new)


async def test_an_upgraded_file_goes_on_where_it_was(old: Path) -> None:
    async with opened(old) as store:
        turn = await store.unfinished_turn("open")
        assert turn is not None
        await store.finish_turn(turn, state=SessionState(heard=2), result={"reply": "Done."})
        assert (await store.begin_turn("open", "m3", "thanks")).number == 3
    async with opened(old) as store:
        assert await store.state("open") == SessionState(heard=2)


async def test_the_old_file_is_copied_beside_itself_for_its_owner_alone(old: Path) -> None:
    before = content(old)
    async with opened(old):
        pass
    assert content(backup_of(old)) == before
    assert backup_of(old).stat().st_mode & 0o777 == 0o600
    assert {file.name for file in old.parent.iterdir()} == {old.name, f"{old.name}-journal", backup_of(old).name}


async def test_a_copy_is_made_once_and_not_overwritten_by_later_starts(old: Path) -> None:
    async with opened(old):
        pass
    copied = backup_of(old).read_bytes()
    async with opened(old) as store:
        await store.delete("open")
    async with opened(old):
        pass
    assert backup_of(old).read_bytes() == copied


async def test_a_new_file_needs_no_copy(path: Path) -> None:
    async with opened(path):
        pass
    assert not backup_of(path).exists()


async def test_an_upgrade_that_fails_leaves_the_file_as_it_was(old: Path) -> None:
    with closing(sqlite3.connect(old)) as raw:
        raw.execute("UPDATE messages SET body = '{broken' WHERE number = 3")
        raw.commit()
    before = content(old)
    with pytest.raises(
        ConfigurationError, match=r"cannot be upgraded from schema 1: malformed JSON\. It is as it was\."
    ):
        await SessionStore.open(old)
    assert content(old) == before


async def test_without_a_copy_nothing_is_upgraded(old: Path) -> None:
    backup_of(old).mkdir()
    before = content(old)
    with pytest.raises(ConfigurationError, match=r"its backup sessions\.sqlite3\.before-2 cannot be written"):
        await SessionStore.open(old)
    assert content(old) == before
    assert {file.name for file in old.parent.iterdir()} == {old.name, backup_of(old).name}


async def test_programs_that_open_an_old_file_at_the_same_time_upgrade_it_once(old: Path) -> None:
    async def run() -> None:
        async with opened(old) as store:
            assert (await store.state("open")).heard == 2

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(run)
    with closing(sqlite3.connect(backup_of(old))) as raw:
        states = [json.loads(state) for (state,) in raw.execute("SELECT state FROM sessions")]
    assert all("mode" in state for state in states)
