"""The chat: reads lines from a prompt or a pipe, runs slash commands, hands everything else to the orchestrator."""

import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator_client.orchestrator import Orchestrator
from orchestrator_client.sessions.store import SessionStore
from orchestrator_client.terminal.plain import harmless, plain
from orchestrator_client.terminal.view import TurnView

__all__ = ["COMMANDS", "Chat", "lines_from"]

_PROMPT = "you> "

COMMANDS = {
    "/help": "show this list",
    "/project [CODE]": "show or set the project; - forgets it",
    "/status": "show the session, its project and its task",
    "/cancel": "give up the current task",
    "/sessions": "list earlier sessions",
    "/resume [ID]": "go on with an earlier session, by default the latest",
    "/quit": "leave; everything is kept",
}


class Chat:
    """One conversation. `session_id` changes with `/resume`."""

    def __init__(self, orchestrator: Orchestrator, store: SessionStore, console: Console, *, session_id: str) -> None:
        self._orchestrator = orchestrator
        self._store = store
        self._console = console
        self.session_id = session_id
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "/help": self._help,
            "/project": self._project,
            "/status": self._show_status,
            "/cancel": self._cancel,
            "/sessions": self._sessions,
            "/resume": self._resume,
        }

    async def run(self, lines: AsyncIterator[str]) -> None:
        """Answer line after line until `/quit` or the end of input."""
        async for line in lines:
            text = line.strip()
            if text in {"/quit", "/exit"}:
                return
            if text.startswith("/"):
                await self._command(text)
            elif text or await self._has_task():
                await self._say(text)

    async def resume(self, session_id: str | None) -> bool:
        """Switch to a session, by id or its beginning, or the latest; False if there is none."""
        fitting = await self._store.sessions(beginning=session_id or "")
        if not fitting:
            return False
        found = next((entry for entry in fitting if entry.id == session_id), fitting[0])
        self.session_id = found.id
        self._console.print(f"[dim]Session {harmless(found.id)} · {harmless(found.title)}[/dim]")
        view = TurnView(self._console)
        recovered = await self._orchestrator.recover(self.session_id, listener=view)
        if recovered is not None:
            view.end(recovered)
            return True
        view.abort()
        await self._last_words()
        return True

    async def _last_words(self) -> None:
        turns = await self._store.turns(self.session_id)
        if turns and turns[-1].result is not None:
            self._console.print(f"[dim]You said: {harmless(turns[-1].text)}[/dim]")
            self._console.print(plain(turns[-1].result["reply"]), highlight=False, markup=False)

    async def _say(self, text: str) -> None:
        view = TurnView(self._console)
        try:
            turn = await self._orchestrator.handle_message(self.session_id, text, listener=view)
        except BaseException:
            view.abort()
            raise
        view.end(turn)

    async def _has_task(self) -> bool:
        return (await self._store.state(self.session_id)).task is not None

    async def _command(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        command = self._commands.get(name)
        if command is None:
            self._console.print(f"There is no command {harmless(name)}. /help lists them.")
        else:
            await command(rest.strip())

    async def _help(self, _rest: str) -> None:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, meaning in COMMANDS.items():
            table.add_row(escape(name), meaning)
        self._console.print("Say what you need in plain words. Commands:")
        self._console.print(table)

    async def _project(self, rest: str) -> None:
        if rest:
            await self._orchestrator.set_project(self.session_id, None if rest == "-" else rest)
        state = await self._store.state(self.session_id)
        self._console.print(f"Project: {harmless(state.project or 'none')}")

    async def _show_status(self, _rest: str) -> None:
        state = await self._store.state(self.session_id)
        task = f"{state.task.agent}: {state.task.opening_message}" if state.task else "none"
        self._console.print(
            f"Session {harmless(self.session_id)}\nProject: {harmless(state.project or 'none')}\nTask: {harmless(task)}"
        )

    async def _cancel(self, _rest: str) -> None:
        turn = await self._orchestrator.cancel(self.session_id)
        self._console.print(harmless(turn.reply))

    async def _sessions(self, _rest: str) -> None:
        await show_sessions(self._store, self._console)

    async def _resume(self, rest: str) -> None:
        if not await self.resume(rest or None):
            self._console.print("There is no such session. /sessions lists them.")


async def show_sessions(store: SessionStore, console: Console) -> None:
    sessions = await store.sessions()
    if not sessions:
        console.print("There are no sessions yet.")
        return
    table = Table("session", "last used", "messages", "task", "began with", box=None, pad_edge=False)
    for entry in sessions:
        task = entry.state.task.agent if entry.state.task else ""
        table.add_row(
            harmless(entry.id), entry.updated_at[:16].replace("T", " "), str(entry.turns), task, harmless(entry.title)
        )
    console.print(table)


def new_session_id() -> str:
    return uuid.uuid4().hex[:12]


async def lines_from(history: Path, console: Console) -> AsyncIterator[str]:
    """Lines as they are typed: from a prompt with history and completion, or, echoed, from a pipe."""
    if not sys.stdin.isatty():
        async for line in anyio.wrap_file(sys.stdin):
            console.print(f"{_PROMPT}{plain(line.rstrip())}", markup=False, highlight=False)
            yield line
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory

    names = [command.partition(" ")[0] for command in COMMANDS]
    completer = WordCompleter(names, sentence=True)
    await anyio.Path(history).touch(mode=0o600)
    prompt: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)), completer=completer, complete_while_typing=False
    )
    while True:
        try:
            yield await prompt.prompt_async(_PROMPT)
        except (EOFError, KeyboardInterrupt):
            return
