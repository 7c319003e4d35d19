import sqlite3
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from sqlalchemy.exc import IntegrityError

from orchestrator_client.dialogue.messages import Message, OpaqueBlock, TextBlock, ToolResultBlock, ToolUseBlock, user
from orchestrator_client.dialogue.state import SessionState, TaskState
from orchestrator_client.errors import ConfigurationError, SessionConflict
from orchestrator_client.sessions.store import SessionStore, StoredTurn
from tests.support.plants import kill

pytestmark = pytest.mark.anyio

LIMIT_S = 30.0
PROGRAM = Path(__file__).with_name("session_process.py")
TASK = TaskState(id="t1", agent="issues", opening_message="a leak")
ACTIVE = SessionState(project="ALPHA", task=TASK, suggestions=("Show the issues",))
SPOKEN = Message(
    role="assistant",
    blocks=(
        TextBlock(text="Größe ✓ \x1b[31m"),
        OpaqueBlock(provider="guided", data={"form": [1, None]}),
        ToolUseBlock(id="u1", name="log_issue", input={"qty": 1.5}),
    ),
)
ANSWERED = Message(role="user", blocks=(ToolResultBlock(tool_use_id="u1", content="ok", structured={"id": "I-1"}),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.sqlite3"


@asynccontextmanager
async def opened(path: Path, **options: float) -> AsyncGenerator[SessionStore]:
    store = await SessionStore.open(path, **options)
    try:
        yield store
    finally:
        await store.aclose()


async def begun(store: SessionStore, session_id: str = "s1", message_id: str = "m1") -> StoredTurn:
    await store.create(session_id)
    return await store.begin_turn(session_id, message_id, "a leak")


@asynccontextmanager
async def process(path: Path, session_id: str, what: str) -> AsyncGenerator[tuple[Process, BufferedByteReceiveStream]]:
    async with await anyio.open_process(
        [sys.executable, str(PROGRAM), str(path), session_id, what], stderr=None, cwd=Path(__file__).parents[3]
    ) as child:
        assert child.stdout is not None
        yield child, BufferedByteReceiveStream(child.stdout)


async def test_nothing_is_lost_when_the_store_is_opened_again(path: Path) -> None:
    async with opened(path) as store:
        turn = await begun(store)
        messages = [user("a leak"), SPOKEN, ANSWERED]
        await store.step(turn, task_id="t1", messages=messages, state=ACTIVE)
        await store.finish_turn(turn, state=ACTIVE, result={"reply": "Where?"})
    async with opened(path) as store:
        assert await store.state("s1") == ACTIVE
        log = await store.log("s1", task_id="t1")
        assert [(entry.turn, entry.task_id, entry.kind) for entry in log] == [(1, "t1", m.kind) for m in messages]
        assert [entry.message for entry in log] == messages
        assert [entry.result for entry in await store.turns("s1")] == [{"reply": "Where?"}]


async def test_a_step_is_stored_whole_or_not_at_all(path: Path) -> None:
    async with opened(path) as store:
        turn = await begun(store)
        broken = StoredTurn("no such session", 1, "m", "x", None)
        with pytest.raises(IntegrityError):
            await store.step(broken, task_id="t1", messages=[user("a")], state=ACTIVE)
        unstorable = SessionState.model_construct(project=object())
        with pytest.raises(Exception, match="serialize"):
            await store.step(turn, task_id="t1", messages=[user("a")], state=unstorable)
        assert await store.log("s1") == []
        assert await store.state("s1") == SessionState()
        await store.step(turn, task_id="t1", messages=[user("b")])
        assert [entry.message.text for entry in await store.log("s1")] == ["b"]


async def test_a_message_begins_one_turn_however_often_it_is_sent(path: Path) -> None:
    async with opened(path) as store:
        first = await begun(store)
        again = await store.begin_turn("s1", "m1", "another text")
        assert again == first
        await store.finish_turn(first, state=SessionState(), result={"reply": "ok"})
        assert (await store.begin_turn("s1", "m1", "x")).result == {"reply": "ok"}
        assert (await store.begin_turn("s1", "m2", "next")).number == 2
        assert (await begun(store, "s2")).number == 1


async def test_a_turn_that_was_not_ended_is_found(path: Path) -> None:
    async with opened(path) as store:
        assert await store.unfinished_turn("s1") is None
        first = await begun(store)
    async with opened(path) as store:
        assert await store.unfinished_turn("s1") == first
        await store.finish_turn(first, state=SessionState(), result={})
        assert await store.unfinished_turn("s1") is None
        assert await store.unfinished_turn("s2") is None


async def test_messages_of_several_tasks_are_kept_apart_and_in_order(path: Path) -> None:
    async with opened(path) as store:
        turn = await begun(store)
        for task_id, text in (("t1", "a"), ("t2", "b"), ("t1", "c")):
            await store.step(turn, task_id=task_id, messages=[user(text)])
        assert [entry.message.text for entry in await store.log("s1", task_id="t1")] == ["a", "c"]
        assert [entry.message.text for entry in await store.log("s1")] == ["a", "b", "c"]
        assert await store.log("s2") == []


async def test_sessions_are_listed_latest_first_and_only_those_in_which_something_was_said(path: Path) -> None:
    async with opened(path) as store:
        await store.create("empty")
        await begun(store, "abc-1")
        await begun(store, "ab_2")
        await store.begin_turn("abc-1", "m2", "more")
        assert [(entry.id, entry.turns, entry.title) for entry in await store.sessions()] == [
            ("abc-1", 2, "a leak"),
            ("ab_2", 1, "a leak"),
        ]
        assert [entry.id for entry in await store.sessions(limit=1)] == ["abc-1"]
        assert [entry.id for entry in await store.sessions(beginning="ab_")] == ["ab_2"]
        assert await store.sessions(beginning="%") == []


async def test_creating_a_session_again_changes_nothing(path: Path) -> None:
    async with opened(path) as store:
        await begun(store)
        await store.set_state("s1", ACTIVE)
        await store.create("s1")
        assert await store.state("s1") == ACTIVE
        assert await store.state("unknown") == SessionState()


async def test_a_hundred_sessions_at_once_wait_for_each_other_and_none_fails(path: Path) -> None:
    async def one(store: SessionStore, session_id: str) -> None:
        turn = await begun(store, session_id)
        await store.step(turn, task_id="t", messages=[user(session_id)], state=ACTIVE)
        await store.finish_turn(turn, state=ACTIVE, result={"of": session_id})

    names = [f"s{number}" for number in range(100)]
    async with opened(path) as store:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                for name in names:
                    tasks.start_soon(one, store, name)
        for name in names:
            assert [entry.message.text for entry in await store.log(name)] == [name]
            assert (await store.turns(name))[0].result == {"of": name}


async def test_writes_that_wait_for_another_program_leave_the_worker_threads_free(path: Path) -> None:
    async with opened(path, busy_timeout_s=LIMIT_S) as store:
        turn = await begun(store)
        with closing(sqlite3.connect(path)) as other, anyio.fail_after(LIMIT_S):
            other.execute("BEGIN EXCLUSIVE")
            async with anyio.create_task_group() as tasks:
                for _ in range(60):
                    tasks.start_soon(partial(store.step, turn, task_id="t", messages=[user("x")]))
                await anyio.wait_all_tasks_blocked()
                taken = anyio.to_thread.current_default_thread_limiter().borrowed_tokens
                other.rollback()
        assert taken == 1
        assert len(await store.log("s1")) == 60


async def test_a_cancelled_step_is_stored_whole_or_not_at_all(path: Path) -> None:
    async with opened(path) as store:
        turn = await begun(store)
        for number in range(40):
            with anyio.move_on_after(number * 0.0002):
                await store.step(turn, task_id="t1", messages=[user(str(number))] * 3)
        with anyio.fail_after(LIMIT_S):
            assert len(await store.log("s1")) % 3 == 0
            await store.step(turn, task_id="t1", messages=[user("still there")])


async def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    async with opened(path) as store:
        await begun(store)
        async with store.alone("s1"):
            files = [file for file in path.parent.rglob("*") if file.is_file()]
    assert path in files
    assert {file.name: oct(file.stat().st_mode & 0o077) for file in files} == {file.name: "0o0" for file in files}


@pytest.fixture
def shopping_list(path: Path) -> Iterator[Path]:
    """A file that is no database, and still what it was afterwards."""
    content = "my shopping list, which is rather long\n" * 200
    path.parent.mkdir()
    path.write_text(content)
    yield path
    assert path.read_text() == content


async def test_what_is_no_database_is_refused_and_left_alone(shopping_list: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a session store\. Move it away"):
        await SessionStore.open(shopping_list)


async def test_a_store_of_a_newer_program_is_refused_and_left_alone(path: Path) -> None:
    async with opened(path):
        pass
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigurationError, match="written by a newer Shopfloor"):
        await SessionStore.open(path)


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"The session file .* cannot be used: .*--data-dir"):
        await SessionStore.open(tmp_path / "file" / "sessions.sqlite3")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match=r"The session file .* cannot be used: .*--data-dir"):
        await SessionStore.open(tmp_path / "folder")


async def test_a_file_that_another_program_keeps_busy_is_a_conflict_and_no_damage(path: Path) -> None:
    async with opened(path):
        pass
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SessionConflict, match="Another program is using the session file"):
            await SessionStore.open(path, busy_timeout_s=0.05)


async def test_a_session_is_held_by_one_process_and_freed_when_that_dies(path: Path) -> None:
    async with opened(path, patience_s=0.1) as store, process(path, "s1", "hold") as (child, lines):
        with anyio.fail_after(LIMIT_S):
            assert await lines.receive_until(b"\n", 10) == b"held"
            with pytest.raises(SessionConflict, match="being answered in another window"):
                async with store.alone("s1"):
                    pytest.fail("two processes hold one session")
            async with store.alone("s2"):
                await kill(child.pid)
            async with store.alone("s1"):
                pass


async def test_two_processes_write_at_the_same_time_and_lose_nothing(path: Path) -> None:
    async def run(session_id: str) -> None:
        async with process(path, session_id, "write") as (child, lines):
            for number in range(30):
                assert await lines.receive_until(b"\n", 10) == str(number).encode()
            assert await child.wait() == 0

    async with opened(path) as store:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run, "s1")
                tasks.start_soon(run, "s2")
        for session_id in ("s1", "s2"):
            assert [turn.result for turn in await store.turns(session_id)] == [{"number": n} for n in range(30)]
            assert len(await store.log(session_id)) == 60


async def test_what_a_killed_process_said_was_stored_is_stored(path: Path) -> None:
    async with process(path, "s1", "write") as (child, lines):
        with anyio.fail_after(LIMIT_S):
            for _ in range(5):
                await lines.receive_until(b"\n", 10)
            await kill(child.pid)
    async with opened(path) as store:
        turns = await store.turns("s1")
        assert [turn.result for turn in turns[:5]] == [{"number": number} for number in range(5)]
        finished = sum(turn.result is not None for turn in turns)
        assert 2 * finished <= len(await store.log("s1")) <= 2 * len(turns)
