import json
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock, assistant, user
from orchestrator_client.dialogue.state import SessionState, TaskState
from orchestrator_client.dialogue.usage import CallUsage, Usage
from orchestrator_client.sessions.store import SESSIONS_NAME, SessionStore
from tests.orchestrator_client.commands.command_line import shopfloor, shopfloor_at_a_terminal

pytestmark = pytest.mark.anyio

NAMES = ("abc-1", "abc-2", "xyz")
STATE = SessionState(project="ALPHA", task=TaskState(id="t1", agent="issue_tracking", opening_message="a leak"))
CALL = Message(role="assistant", blocks=(ToolUseBlock(id="u1", name="log_issue", input={"title": "a leak"}),))
ANSWER = Message(role="user", blocks=(ToolResultBlock(tool_use_id="u1", content="stored as I-1"),))


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[SessionStore]:
    store = await SessionStore.open(folder / SESSIONS_NAME)
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Three sessions, the last of them the latest."""
    async with opened(tmp_path) as store:
        for name in NAMES:
            await store.create(name)
            turn = await store.begin_turn(name, "m1", f"a leak\nin {name} \x1b[31m[bold]")
            await store.step(turn, task_id="t1", messages=[user(turn.text), CALL, ANSWER, assistant("Where?")])
            result = {"reply": "Where?", "agent": "issue_tracking", "outcome": "waiting"}
            usage = [("t1", CallUsage("agent", "claude", Usage(1200, 30), 1100, 5.0))]
            await store.finish_turn(turn, state=STATE, result=result, usage=usage)
    return tmp_path


async def left(folder: Path) -> list[str]:
    async with opened(folder) as store:
        return sorted(entry.id for entry in await store.sessions())


def failed(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It ended with this code, printed no data, and said this on one line."""
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    for word in words:
        assert word in done.stderr


async def test_sessions_are_listed_one_a_line_the_latest_first(folder: Path) -> None:
    done = shopfloor(folder, "sessions")
    assert (done.returncode, done.stderr) == (0, "")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["session", "last", "used", "messages", "task", "began", "with"]
    assert [line.split()[0] for line in lines] == ["xyz", "abc-2", "abc-1"]
    assert lines[0].rstrip().endswith("issue_tracking  a leak in xyz [31m[bold]")


async def test_a_list_can_be_shorter_and_for_machines(folder: Path) -> None:
    listed = json.loads(shopfloor(folder, "sessions", "--limit", "2", "--json").stdout)["sessions"]
    assert [(entry["id"], entry["turns"], entry["mode"]) for entry in listed] == [
        ("xyz", 1, "task_active"),
        ("abc-2", 1, "task_active"),
    ]
    assert shopfloor(folder, "sessions", "--limit", "0").returncode == 2


async def test_no_sessions_is_no_error(tmp_path: Path) -> None:
    done = shopfloor(tmp_path, "sessions")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "There are no sessions yet.\n")
    assert json.loads(shopfloor(tmp_path, "sessions", "--json").stdout) == {"sessions": []}


async def test_a_session_is_shown_by_the_beginning_of_its_id(folder: Path) -> None:
    done = shopfloor(folder, "sessions", "show", "x")
    assert done.returncode == 0
    for fact in (
        "Session xyz",
        "Project: ALPHA",
        "Task under way: issue_tracking: a leak",
        "> a leak\nin xyz [31m[bold]\nWhere?\nissue_tracking, waiting",
        "Model calls: 1. Tokens: 1,200 in, 30 out.",
    ):
        assert fact in done.stdout
    told = json.loads(shopfloor(folder, "sessions", "show", "xyz", "--json").stdout)
    assert (told["session"]["id"], told["state"]["project"], told["turns"][0]["reply"]) == ("xyz", "ALPHA", "Where?")


async def test_an_id_that_several_sessions_begin_with_names_them(folder: Path) -> None:
    done = shopfloor(folder, "sessions", "show", "abc")
    failed(done, 1, "2 sessions begin with abc: abc-2, abc-1. Give more of the id.")


async def test_a_whole_id_is_meant_even_if_others_begin_with_it(folder: Path) -> None:
    async with opened(folder) as store:
        await store.create("abc")
        await store.begin_turn("abc", "m1", "hello")
    assert "Session abc\n" in shopfloor(folder, "sessions", "show", "abc").stdout


@pytest.mark.parametrize("command", [("show",), ("export",), ("delete", "--yes")])
@pytest.mark.parametrize("name", ["nope", ""])
async def test_a_session_that_is_not_there_is_an_error(folder: Path, command: tuple[str, ...], name: str) -> None:
    failed(shopfloor(folder, "sessions", *command, name), 1, f"There is no session '{name}'. See `shopfloor sessions`.")
    assert await left(folder) == sorted(NAMES)


async def test_a_session_is_exported_to_stdout_in_either_format(folder: Path) -> None:
    markdown = shopfloor(folder, "sessions", "export", "xyz")
    assert markdown.stdout.startswith("# Session `xyz`\n")
    assert "stored as I-1" in markdown.stdout
    told = json.loads(shopfloor(folder, "sessions", "export", "xyz", "--format", "json").stdout)
    messages = told["turns"][0]["messages"]
    assert messages[0]["text"] == "a leak\nin xyz \x1b[31m[bold]"
    assert messages[1]["tool_calls"][0]["arguments"] == {"title": "a leak"}
    assert messages[2]["tool_results"][0]["content"] == "stored as I-1"


async def test_an_export_overwrites_a_file_only_by_force(folder: Path) -> None:
    file = folder / "out.md"
    done = shopfloor(folder, "sessions", "export", "xyz", "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"written to {file}\n")
    written = file.read_text()
    assert written.startswith("# Session `xyz`")
    again = shopfloor(folder, "sessions", "export", "abc-1", "--output", str(file))
    failed(again, 1, "exists already", "--force")
    assert file.read_text() == written
    assert shopfloor(folder, "sessions", "export", "abc-1", "--output", str(file), "--force").returncode == 0
    assert file.read_text().startswith("# Session `abc-1`")


async def test_an_export_into_a_folder_that_is_not_there_is_an_error(folder: Path) -> None:
    done = shopfloor(folder, "sessions", "export", "xyz", "--output", str(folder / "none" / "out.md"))
    failed(done, 1, "cannot be written: No such file or directory", "--output")


async def test_sessions_are_deleted_and_named(folder: Path) -> None:
    done = shopfloor(folder, "sessions", "delete", "--yes", "x", "abc-1", "xyz")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"deleted {name} (1 message): a leak in {name} [31m[bold]" for name in ("xyz", "abc-1")
    ]
    assert await left(folder) == ["abc-2"]


async def test_with_nobody_to_ask_nothing_is_deleted(folder: Path) -> None:
    failed(shopfloor(folder, "sessions", "delete", "xyz"), 2, "Add --yes")
    assert await left(folder) == sorted(NAMES)


async def test_one_wrong_id_deletes_none(folder: Path) -> None:
    failed(shopfloor(folder, "sessions", "delete", "--yes", "xyz", "abc"), 1, "2 sessions begin with abc")
    assert await left(folder) == sorted(NAMES)


@pytest.mark.parametrize(("typed", "code", "rest"), [("y\n", 0, ["abc-1", "abc-2"]), ("n\n", 1, sorted(NAMES))])
async def test_at_a_terminal_the_person_is_asked(folder: Path, typed: str, code: int, rest: list[str]) -> None:
    done = shopfloor_at_a_terminal(folder, typed, "sessions", "delete", "xyz")
    assert "xyz (1 message): a leak in xyz" in done.stderr
    assert "Delete for good? [y/N]" in done.stderr
    assert ("Nothing was deleted." in done.stderr) is (code == 1)
    assert (done.returncode, await left(folder)) == (code, rest)


async def test_a_session_that_is_being_answered_is_not_deleted(folder: Path) -> None:
    async with opened(folder) as store, store.alone("xyz"):
        done = await anyio.to_thread.run_sync(shopfloor, folder, "sessions", "delete", "--yes", "xyz")
    failed(done, 1, "being answered in another window")
    assert "xyz" in await left(folder)


async def test_what_a_deletion_cannot_reach_is_named(folder: Path) -> None:
    (folder / "prompt_history").write_text("+a leak\n")
    done = shopfloor(folder, "sessions", "delete", "--yes", "xyz")
    assert done.stderr == (
        f"note: {folder / 'prompt_history'} may still hold what was typed. Remove it if it must be gone too.\n"
    )


async def test_an_option_before_the_sub_command_is_not_overlooked(folder: Path) -> None:
    for option in (("--json",), ("--limit", "3"), ("--data-dir", str(folder))):
        failed(shopfloor(folder, "sessions", *option, "show", "xyz"), 2, "Put it after show.")


async def test_a_folder_that_cannot_be_used_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in ((), ("show", "x"), ("export", "x"), ("delete", "--yes", "x")):
        failed(shopfloor(tmp_path / "file", "sessions", *command), 1, "cannot be used", "--data-dir")


async def test_a_file_of_an_older_shopfloor_that_is_damaged_is_an_error_without_a_traceback(folder: Path) -> None:
    (folder / SESSIONS_NAME).write_bytes(b"no database at all" * 300)
    failed(shopfloor(folder, "sessions"), 1, "is not a session store")
