import io
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator_client.dialogue.state import SessionState, TaskState
from orchestrator_client.models.guided import GuidedModel
from orchestrator_client.models.scripted import ScriptedModel, Step, call, reply, route
from orchestrator_client.terminal.repl import COMMANDS, Chat, lines_from, new_session_id, show_sessions
from tests.support.assistant import NOWHERE, Assistant, assistant, rows, seeded
from tests.support.sample_plant import report

pytestmark = pytest.mark.anyio

STEERING = "\x1b[31m[/red]\x07"
HELLO: list[Step] = [route("general"), reply("Hello!")]


async def typed(*lines: str) -> AsyncIterator[str]:
    for line in lines:
        yield f"{line}\n"


def console() -> Console:
    return Console(file=io.StringIO(), width=100, color_system=None)


def printed(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@asynccontextmanager
async def chat(data_dir: Path, steps: Sequence[Step]) -> AsyncGenerator[tuple[Chat, Assistant]]:
    """A chat without a tool server."""
    async with ScriptedModel(steps) as model, assistant(data_dir, model, target=NOWHERE) as at:
        yield Chat(at.orchestrator, at.store, console(), session_id="s1"), at


async def said(data_dir: Path, steps: Sequence[Step], *lines: str) -> str:
    """Everything a chat prints for these lines."""
    async with chat(data_dir, steps) as (talk, _):
        await talk.run(typed(*lines))
    return printed(talk._console)


async def test_a_line_is_answered_and_shown_with_its_agent(tmp_path: Path) -> None:
    assert (await said(tmp_path, HELLO, "Hi")).splitlines() == ["→ General", "Hello!"]


async def test_quit_ends_the_chat_and_nothing_after_it_is_read(tmp_path: Path) -> None:
    assert await said(tmp_path, [], "/quit", "Hi") == ""
    assert await said(tmp_path, [], "/exit", "Hi") == ""


async def test_between_tasks_a_bare_quit_or_exit_leaves_too(tmp_path: Path) -> None:
    assert await said(tmp_path, [], "Quit", "Hi") == ""
    assert await said(tmp_path, [], "exit", "Hi") == ""


async def test_an_empty_line_is_no_message_unless_a_task_is_open(tmp_path: Path) -> None:
    assert await said(tmp_path, [], "", "   ") == ""
    async with chat(tmp_path, []) as (talk, at):
        task = TaskState(id="t", agent="issue_tracking", opening_message="leak")
        await at.store.create("s1")
        await at.store.set_state("s1", SessionState(task=task))
        await talk.run(typed(""))
        assert [turn.text for turn in await at.store.turns("s1")] == [""]


async def test_help_lists_every_command(tmp_path: Path) -> None:
    text = await said(tmp_path, [], "/help")
    assert all(name in text and meaning in text for name, meaning in COMMANDS.items())


async def test_every_command_of_the_help_is_understood(tmp_path: Path) -> None:
    for name in COMMANDS:
        assert "There is no command" not in await said(tmp_path, [], name.partition(" ")[0])


async def test_an_unknown_command_is_no_message(tmp_path: Path) -> None:
    assert await said(tmp_path, [], "/[b]dance now") == "There is no command /[b]dance. /help lists them.\n"


async def test_the_project_can_be_set_shown_and_forgotten(tmp_path: Path) -> None:
    text = await said(tmp_path, [], "/project", "/project BETA", "/project", "/project -")
    assert text.splitlines() == ["Project: none", "Project: BETA", "Project: BETA", "Project: none"]


async def test_status_shows_the_session_its_project_and_its_task(tmp_path: Path) -> None:
    async with chat(tmp_path, []) as (talk, at):
        task = TaskState(id="t", agent="issue_tracking", opening_message=f"leak {STEERING}")
        await at.store.create("s1")
        await at.store.set_state("s1", SessionState(project="[ALPHA]", task=task))
        await talk.run(typed("/status"))
    assert printed(talk._console).splitlines() == [
        "Session s1",
        "Project: [ALPHA]",
        "Task: Issue tracking: leak [31m[/red]",
    ]


async def test_cancel_tells_what_was_stored(tmp_path: Path) -> None:
    await seeded(tmp_path)
    steps = [route("issue_tracking"), call("log_issue", report()), reply("More?")]
    async with ScriptedModel(steps) as model, assistant(tmp_path, model) as at:
        talk = Chat(at.orchestrator, at.store, console(), session_id="s1")
        await talk.run(typed("There is a burr", "/cancel", "/cancel"))
    ((issue,),) = rows(tmp_path, "SELECT id FROM issues WHERE title = 'Burr on the seal groove edge'")
    assert printed(talk._console).splitlines()[-3:] == [
        "More?",
        f"Issue tracking: cancelled. Already stored, and kept: log_issue: {issue}.",
        "There is no task to cancel.",
    ]


async def test_sessions_are_listed_and_the_latest_can_be_resumed(tmp_path: Path) -> None:
    await said(tmp_path, HELLO, "Hi [there]")
    async with chat(tmp_path, HELLO) as (talk, _):
        talk.session_id = "s2"
        await talk.run(typed("/sessions", "/resume", "Hi again", "/status"))
    text = printed(talk._console)
    assert "Hi [there]" in text
    assert "Session s1 · Hi [there]\nYou said: Hi [there]\nHello!\n" in text
    assert "Session s1\nProject: none" in text


async def test_a_session_is_resumed_by_its_id_or_its_beginning_and_the_exact_one_wins(tmp_path: Path) -> None:
    async with chat(tmp_path, HELLO * 3) as (talk, _):
        for session in ("abc", "abcd", "x"):
            talk.session_id = session
            await talk.run(typed("Hi"))
        assert await talk.resume("abc")
        assert talk.session_id == "abc"
        assert await talk.resume("ab")
        assert talk.session_id == "abcd"
        await talk.run(typed("/resume nope"))
        assert talk.session_id == "abcd"
    assert printed(talk._console).endswith("There is no such session. /sessions lists them.\n")


async def test_without_sessions_there_is_nothing_to_list_or_resume(tmp_path: Path) -> None:
    assert await said(tmp_path, [], "/sessions") == "There are no sessions yet.\n"
    assert await said(tmp_path, [], "/resume") == "There is no such session. /sessions lists them.\n"


async def test_resuming_finishes_a_turn_that_a_crash_cut_short_and_shows_it(tmp_path: Path) -> None:
    async with chat(tmp_path, HELLO) as (talk, at):
        await at.store.create("s0")
        await at.store.begin_turn("s0", "m1", "Hi")
        await talk.run(typed("/resume"))
    assert printed(talk._console).splitlines() == ["Session s0 · Hi", "→ General", "Hello!"]


async def test_nothing_stored_can_steer_the_terminal(tmp_path: Path) -> None:
    async with chat(tmp_path, [route("general"), reply(STEERING)]) as (talk, at):
        talk.session_id = f"s{STEERING}"
        await talk.run(
            typed(f"Hi {STEERING}", "/status", "/sessions", "/resume", f"/project {STEERING}", f"/{STEERING}")
        )
        await show_sessions(at.store, talk._console)
    assert not {"\x1b", "\x07"} & set(printed(talk._console))


async def test_a_line_that_was_piped_in_is_echoed_harmlessly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"Hi {STEERING}\n\nlast"))
    screen = console()
    assert [line async for line in lines_from(tmp_path / "history", screen)] == [f"Hi {STEERING}\n", "\n", "last"]
    assert printed(screen).splitlines() == ["you> Hi [31m[/red]", "you> ", "you> last"]


async def test_a_whole_conversation_can_be_piped_in(tmp_path: Path) -> None:
    await seeded(tmp_path)
    async with assistant(tmp_path, GuidedModel()) as at:
        talk = Chat(at.orchestrator, at.store, console(), session_id="s1")
        await talk.run(typed("which issues are open?", "Alpha"))
    text = printed(talk._console)
    assert "→ Issue tracking\n" in text
    assert "✓ get_issues" in text
    assert "✓ done\nNext you could say:\n  · Show the open issues of ALPHA" in text


def test_every_session_has_its_own_id() -> None:
    assert len({new_session_id() for _ in range(100)}) == 100
