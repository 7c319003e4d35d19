"""The chat: reads lines from a prompt or a pipe, runs slash commands, hands everything else to the orchestrator."""

import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import anyio
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator_client.dialogue.commands import BACK, CANCEL, SWITCH
from orchestrator_client.dialogue.prices import Price
from orchestrator_client.errors import ClientError
from orchestrator_client.orchestrator import Orchestrator
from orchestrator_client.sessions.store import SessionStore
from orchestrator_client.terminal.inspection import show_context, show_cost, show_tasks
from orchestrator_client.terminal.plain import harmless, plain
from orchestrator_client.terminal.session_view import show_session, table_of_sessions
from orchestrator_client.terminal.view import TurnView

__all__ = ["COMMANDS", "Chat", "lines_from"]

_PROMPT = "you> "
_STEERING = frozenset({BACK, CANCEL, SWITCH})
"""Commands that steer the conversation are messages: the orchestrator follows them, in order, and stores them."""

_LEAVING = frozenset({"quit", "exit"})
"""Said during a task, these give up the task."""

COMMANDS = {
    "/help": "show this list",
    "/project [CODE]": "show or set the project; - forgets it",
    "/status": "show the session, its project and its task",
    "/tasks": "list the open tasks and what comes next",
    "/switch [N|TEXT]": "go to a task that waits, or take up something new at once",
    "/back": "go back to the task that was left last",
    "/cancel": "give up the current task",
    "/history": "show this session from its beginning",
    "/context [tools]": "show exactly what the agent sees, with token counts",
    "/cost": "show tokens, cache hits and cost",
    "/sessions": "list earlier sessions",
    "/resume [ID]": "go on with an earlier session, by default the latest",
    "/quit": "leave; everything is kept",
}


class Chat:
    """One conversation. `session_id` changes with `/resume`."""

    def __init__(
        self,
        orchestrator: Orchestrator,
        store: SessionStore,
        console: Console,
        *,
        session_id: str,
        prices: Mapping[str, Price] = MappingProxyType({}),
    ) -> None:
        self._prices = prices
        self._orchestrator = orchestrator
        self._store = store
        self._console = console
        self.session_id = session_id
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "/help": self._help,
            "/project": self._project,
            "/status": self._show_status,
            "/tasks": self._tasks,
            "/history": self._history,
            "/context": self._context,
            "/cost": self._cost,
            "/sessions": self._sessions,
            "/resume": self._resume,
        }

    async def run(self, lines: AsyncIterator[str]) -> None:
        """Answer line after line until `/quit` or the end of input."""
        async for line in lines:
            text = line.strip()
            if text in {"/quit", "/exit"} or (text.casefold() in _LEAVING and not await self._has_task()):
                return
            if text.startswith("/") and text.partition(" ")[0] not in _STEERING:
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
        task, title = state.task, self._orchestrator.title_of
        doing = f"{title(task.agent)}: {task.opening_message}" if task else "none"
        lines = (f"Session {self.session_id}", f"Project: {state.project or 'none'}", f"Task: {doing}")
        self._console.print(harmless("\n".join(lines)))

    async def _tasks(self, _rest: str) -> None:
        show_tasks(await self._store.state(self.session_id), self._orchestrator.title_of, self._console)

    async def _history(self, _rest: str) -> None:
        transcript = await self._store.transcript(self.session_id)
        if transcript is None:
            self._console.print("Nothing has been said yet.")
        else:
            show_session(transcript, self._console)

    async def _context(self, rest: str) -> None:
        try:
            request = await self._orchestrator.prompt(self.session_id)
        except ClientError as error:
            self._console.print(harmless(str(error)))
            return
        counted = await self._orchestrator.count_tokens(request) if request else None
        show_context(request, counted, self._console, schemas=rest == "tools")

    async def _cost(self, _rest: str) -> None:
        tasks = await self._store.tasks(self.session_id)
        openings = {task.task_id: task.opening_message for task in tasks}
        show_cost(await self._store.usage(self.session_id), openings, self._prices, self._console)

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
    console.print(table_of_sessions(sessions))


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
