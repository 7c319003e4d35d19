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

from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import (
    Message,
    OpaqueBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    context,
    note,
    user,
)
from orchestrator_client.dialogue.state import SessionState, TaskState
from orchestrator_client.dialogue.usage import CallUsage, Purpose, Usage
from orchestrator_client.errors import ConfigurationError, SessionConflict
from orchestrator_client.sessions.store import BookedCall, LoggedTask, SessionStore, StoredTurn
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
        messages = [context("Project: ALPHA"), user("a leak"), SPOKEN, ANSWERED, note("not yet")]
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


async def test_a_list_of_sessions_need_not_end(path: Path) -> None:
    async with opened(path) as store:
        for number in range(25):
            await begun(store, f"s{number}")
        assert len(await store.sessions()) == 20
        assert len(await store.sessions(limit=None)) == 25


def booked(purpose: Purpose = "agent", *, input_tokens: int = 100, duration_ms: float = 412.5) -> CallUsage:
    return CallUsage(purpose, "claude", Usage(input_tokens, 20, 64, 32), 95, duration_ms)


async def test_the_model_calls_of_a_turn_are_kept_with_its_end(path: Path) -> None:
    async with opened(path) as store:
        first = await begun(store)
        calls = [("", booked("route")), ("t1", booked())]
        await store.finish_turn(first, state=ACTIVE, result={}, usage=calls)
        second = await store.begin_turn("s1", "m2", "more")
        await store.finish_turn(second, state=ACTIVE, result={}, usage=[("t1", booked("summary"))])
        await store.finish_turn(await begun(store, "s2"), state=ACTIVE, result={})
    async with opened(path) as store:
        assert await store.usage("s1") == [
            BookedCall(1, "", booked("route")),
            BookedCall(1, "t1", booked()),
            BookedCall(2, "t1", booked("summary")),
        ]
        assert await store.usage("s2") == []


async def test_a_turn_whose_usage_cannot_be_stored_has_not_ended(path: Path) -> None:
    async with opened(path) as store:
        turn = await begun(store)
        unstorable = CallUsage.__new__(CallUsage)
        with pytest.raises(AttributeError):
            await store.finish_turn(turn, state=ACTIVE, result={}, usage=[("t1", unstorable)])
        assert await store.unfinished_turn("s1") == turn
        assert await store.state("s1") == SessionState()


async def test_the_last_counted_call_of_a_task_is_its_newest_by_the_agent(path: Path) -> None:
    async with opened(path) as store:
        turn = await begun(store)
        calls = [
            ("t1", booked(input_tokens=1)),
            ("t1", booked(input_tokens=2)),
            ("t1", booked("summary", input_tokens=3)),
            ("t1", booked(input_tokens=0)),
            ("t2", booked(input_tokens=5)),
        ]
        assert await store.last_agent_call("s1", "t1") is None
        await store.finish_turn(turn, state=ACTIVE, result={}, usage=calls)
        assert await store.last_agent_call("s1", "t1") == booked(input_tokens=2)
        assert await store.last_agent_call("s1", "t3") is None
        assert await store.last_agent_call("s2", "t1") is None


async def test_the_newest_condensed_history_counts_and_the_earlier_ones_stay(path: Path) -> None:
    async with opened(path) as store:
        turn = await begun(store)
        assert await store.condensed("s1", "t1") is None
        for kept in (Condensed(2, "first", 4), Condensed(5, "second", 5)):
            await store.keep_condensed(turn, "t1", kept)
        await store.keep_condensed(turn, "t2", Condensed(1, "", 1))
    async with opened(path) as store:
        assert await store.condensed("s1", "t1") == Condensed(5, "second", 5)
        assert await store.condensed("s1", "t2") == Condensed(1, "", 1)
        assert await store.condensed("s2", "t1") is None
        whole = await store.transcript("s1")
        assert whole is not None
        assert [(entry.task_id, entry.condensed.summary) for entry in whole.condensed] == [
            ("t1", "first"),
            ("t1", "second"),
            ("t2", ""),
        ]


async def test_the_log_tells_of_each_task_when_it_was_and_what_opened_it(path: Path) -> None:
    async with opened(path) as store:
        first = await begun(store)
        await store.step(first, task_id="z", messages=[context("Project: ALPHA"), user("a leak"), SPOKEN, ANSWERED])
        second = await store.begin_turn("s1", "m2", "hello")
        await store.step(second, task_id="talk-2", messages=[user("hello")])
        third = await store.begin_turn("s1", "m3", "at LT-131")
        await store.step(third, task_id="z", messages=[user("at LT-131")])
        await store.step(third, task_id="a", messages=[note("nobody spoke")])
        await begun(store, "s2")
        assert await store.tasks("s1") == [
            LoggedTask("z", 1, 3, "a leak", 5),
            LoggedTask("talk-2", 2, 2, "hello", 1),
            LoggedTask("a", 3, 3, "", 1),
        ]
        assert await store.tasks("s2") == []


CANARY = "canary-7f3a"


async def told(store: SessionStore, session_id: str) -> None:
    """A session that says the canary wherever something can be said."""
    await store.create(session_id)
    turn = await store.begin_turn(session_id, "m1", f"{CANARY} {session_id}")
    state = SessionState(project=CANARY, suggestions=(CANARY * 500,))
    await store.step(turn, task_id="t1", messages=[user(CANARY * 500), note(CANARY)], state=state)
    await store.keep_condensed(turn, "t1", Condensed(1, CANARY, 1))
    call = CallUsage("agent", CANARY, Usage(1), 1, 1.0)
    await store.finish_turn(turn, state=SessionState(), result={"reply": CANARY}, usage=[("t1", call)])


async def test_a_deleted_session_is_gone_from_every_table_and_the_others_stay(path: Path) -> None:
    async with opened(path) as store:
        for session_id in ("s1", "s2"):
            await told(store, session_id)
        assert await store.delete("s1")
        assert not await store.delete("s1")
        assert await store.transcript("s1") is None
        assert [entry.id for entry in await store.sessions()] == ["s2"]
        kept = await store.transcript("s2")
    assert kept is not None
    assert [len(part) for part in (kept.turns, kept.log, kept.tasks, kept.usage, kept.condensed)] == [1, 2, 1, 1, 1]
    with closing(sqlite3.connect(path)) as raw:
        assert not [line for line in raw.iterdump() if "'s1'" in line]


async def test_nothing_that_a_deleted_session_said_is_left_on_disk(path: Path) -> None:
    def files_with_canary() -> set[str]:
        return {file.name for file in path.parent.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()}

    async with opened(path) as store:
        await told(store, "s1")
        async with store.alone("s1"):
            pass
    assert files_with_canary() >= {path.name}
    async with opened(path) as store:
        await store.delete("s1")
    assert files_with_canary() == set()
    assert list(path.with_suffix(".locks").iterdir()) == []


async def test_a_session_can_be_begun_anew_after_it_was_deleted(path: Path) -> None:
    async with opened(path) as store:
        await told(store, "s1")
        await store.delete("s1")
        turn = await begun(store)
        assert turn.number == 1
        async with store.alone("s1"):
            assert await store.log("s1") == []


async def test_a_session_that_is_being_answered_is_not_deleted(path: Path) -> None:
    async with opened(path, patience_s=0.1) as store, process(path, "s1", "hold") as (child, lines):
        await begun(store)
        with anyio.fail_after(LIMIT_S):
            assert await lines.receive_until(b"\n", 10) == b"held"
            with pytest.raises(SessionConflict, match="being answered in another window"):
                await store.delete("s1")
            assert len(await store.turns("s1")) == 1
            await kill(child.pid)
            assert await store.delete("s1")


async def test_whoever_waits_for_a_session_while_it_is_deleted_is_still_alone(path: Path) -> None:
    inside = 0

    async def one(store: SessionStore) -> None:
        nonlocal inside
        async with store.alone("s1"):
            inside += 1
            assert inside == 1
            await store.create("s1")
            inside -= 1

    async with opened(path) as store:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(one, store)
                    tasks.start_soon(store.delete, "s1")


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
