"""`Orchestrator.handle_message`: the one entrance, and the only place that knows the whole way of a message.

Message -> session state -> router or active agent -> task context -> agent loop with checked tools -> completion ->
suggestions. The decisions are `dialogue.machine`'s; `TurnDriver` carries its effects out and stores every step.
"""

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
import structlog

from orchestrator_client.agent_work import AgentWork
from orchestrator_client.agents.registry import AgentRegistry
from orchestrator_client.context.history import Policy, TokenAware
from orchestrator_client.dialogue.commands import CANCEL
from orchestrator_client.dialogue.completion import without_marker
from orchestrator_client.errors import ClientError
from orchestrator_client.events import Listener, Note
from orchestrator_client.models.protocol import Model, ModelRequest
from orchestrator_client.sessions.store import SessionStore, StoredTurn
from orchestrator_client.tools.connection import ToolConnection
from orchestrator_client.turn import Recorder, ToolReport, Turn, Way, guarded
from orchestrator_client.turn_driver import TurnDriver

__all__ = ["LONGEST_MESSAGE", "Orchestrator", "ToolReport", "Turn"]

LONGEST_MESSAGE = 20_000
"""Characters of one message. What is longer is a document, and would push everything else out of the window."""

_log = structlog.get_logger(__name__)


class Orchestrator:
    """Serves any number of sessions at once; the messages of one session are answered in order.

    `routing_model` also watches the topic and writes summaries. `history` decides what of a long task an agent still
    sees, within `context_tokens`, by default what the model says it takes.
    """

    def __init__(
        self,
        *,
        model: Model,
        routing_model: Model,
        agents: AgentRegistry,
        connection: ToolConnection,
        store: SessionStore,
        history: Policy | None = None,
        context_tokens: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._model = model
        self._agents = agents
        self._store = store
        self._work = AgentWork(
            model=model,
            summary_model=routing_model,
            agents=agents,
            connection=connection,
            store=store,
            policy=history or TokenAware(),
            context_tokens=context_tokens,
            now=now,
        )
        self._driver = TurnDriver(routing_model=routing_model, agents=agents, work=self._work, server=connection)
        self._locks: dict[str, anyio.Lock] = {}

    async def handle_message(
        self, session_id: str, text: str, *, message_id: str | None = None, listener: Listener | None = None
    ) -> Turn:
        """Answer one message of a person; `/cancel`, `/back` and `/switch` steer the conversation itself.

        The same `message_id` gets the first answer again. A turn that a crash cut short is finished first. Failures of
        routing, model and tools become honest answers; the state is never left half way.

        Raises:
            SessionConflict: another process is answering in this session, or keeps the session file busy.
            ConfigurationError: the session file cannot be used.
        """
        tell = guarded(listener)
        text = text.encode("utf-8", "replace").decode()  # a terminal may hand over bytes that are no text
        async with self._in_order(session_id):
            if len(text) > LONGEST_MESSAGE:
                return await self._too_long(session_id, len(text), tell)
            await self._store.create(session_id)
            await self._finish_what_was_cut_short(session_id, text, message_id, tell)
            turn = await self._store.begin_turn(session_id, message_id or uuid.uuid4().hex, text)
            if turn.result is not None:
                return Turn.from_json(turn.result)
            return await self._carry_out(turn, tell)

    async def recover(self, session_id: str, *, listener: Listener | None = None) -> Turn | None:
        """Finish the turn that a crash cut short, if there is one."""
        async with self._in_order(session_id):
            unfinished = await self._store.unfinished_turn(session_id)
            return None if unfinished is None else await self._carry_out(unfinished, guarded(listener))

    async def cancel(self, session_id: str, *, listener: Listener | None = None) -> Turn:
        """End the active task, and a turn of it that a crash cut short.

        What it has stored stays stored, and the answer says what that is. A request that waits is taken up.
        """
        return await self.handle_message(session_id, CANCEL, listener=listener)

    async def set_project(self, session_id: str, project: str | None) -> None:
        async with self._in_order(session_id):
            await self._store.create(session_id)
            state = await self._store.state(session_id)
            await self._store.set_state(session_id, state.but(project=project))

    async def prompt(self, session_id: str) -> ModelRequest | None:
        """Exactly what the agent of the active task sees; None between tasks.

        Raises:
            ToolCallError: the tool server, whose tools are part of it, cannot be reached.
        """
        state = await self._store.state(session_id)
        task = state.task
        if task is None or task.agent not in self._agents:
            return None
        return await self._work.prompt(session_id, state, self._agents[task.agent], task.id)

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """The tokens of a request by the agents' model's own count; None if it cannot tell."""
        return await self._model.count_tokens(request)

    def title_of(self, agent: str) -> str:
        """What people call an agent; its key, if its definition is gone."""
        return self._agents.title_of(agent)

    async def _finish_what_was_cut_short(
        self, session_id: str, text: str, message_id: str | None, tell: Listener
    ) -> None:
        unfinished = await self._store.unfinished_turn(session_id)
        if unfinished is None or unfinished.message_id == message_id:
            return
        if text.strip() == CANCEL:
            state = await self._store.state(session_id)
            said = f"{state.so_far.said}\n\nCancelled." if state.so_far and state.so_far.said else "Cancelled."
            dropped = Turn(session_id, said, None, "cancelled", state.mode)
            await self._store.finish_turn(unfinished, state=state.but(so_far=None), result=dropped.as_json())
            return
        said = without_marker(unfinished.text)
        tell(Note(f"Your earlier message was cut short; its answer comes first. You said: {said}"))
        await self._carry_out(unfinished, tell)
        tell(Note("And to your new message:"))

    async def _too_long(self, session_id: str, length: int, tell: Listener) -> Turn:
        state = await self._store.state(session_id)
        said = (
            f"Your message has {length:,} characters; at most {LONGEST_MESSAGE:,} are taken. Nothing was done. "
            "Send the part that matters, or several messages."
        )
        tell(Note(said))
        return Turn(session_id, said, state.task.agent if state.task else None, "interrupted", state.mode)

    @asynccontextmanager
    async def _in_order(self, session_id: str) -> AsyncGenerator[None]:
        """Wait for the messages before this one: of this process, first come first served, and of any other."""
        lock = self._locks.setdefault(session_id, anyio.Lock())
        try:
            async with lock, self._store.alone(session_id):
                yield
        finally:
            if not lock.locked():  # once released, the lock belongs to the next waiter at once
                self._locks.pop(session_id, None)

    async def _carry_out(self, turn: StoredTurn, listener: Listener) -> Turn:
        """One turn, from wherever it stands to its stored result."""
        way = Way(turn, await self._store.state(turn.session_id), Recorder(listener))
        try:
            await self._driver.drive(way)
            result = way.result()
        except ClientError as error:
            _log.warning("turn interrupted", session=turn.session_id, code=error.code)
            result = way.interrupted(error)
        except Exception:  # noqa: BLE001 - where a request enters: it is logged, and answered honestly
            _log.exception("turn crashed", session=turn.session_id)
            result = way.crashed()
        await self._store.finish_turn(turn, state=way.state, result=result.as_json(), usage=way.calls[way.booked :])
        return result
