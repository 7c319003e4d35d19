"""`Orchestrator.handle_message`: the one entrance, and the only place that knows the whole way of a message.

Message -> session state -> router or active agent -> task context -> agent loop with checked tools -> completion ->
suggestions. The decisions are `dialogue.machine`'s; this module carries its effects out and stores every step.
"""

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import anyio
import structlog

from orchestrator_client.agents.loop import AgentRun, AgentTurn, GaveUp
from orchestrator_client.agents.prompt import base_context, system_prompt
from orchestrator_client.agents.registry import FALLBACK_AGENT, Agent, AgentRegistry
from orchestrator_client.context.task_context import load_task_context
from orchestrator_client.dialogue import machine
from orchestrator_client.dialogue.completion import Evidence, Verdict
from orchestrator_client.dialogue.json_values import as_object
from orchestrator_client.dialogue.messages import Message, ToolUseBlock, user
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.suggestions import suggest
from orchestrator_client.errors import ClientError, ModelError, ToolCallError
from orchestrator_client.events import AgentChosen, Listener, Note, TextPiece, TextWithdrawn, ToolFinished, TurnEvent
from orchestrator_client.models.protocol import AgentBrief, Model, ToolSpec
from orchestrator_client.routing.router import Router
from orchestrator_client.sessions.store import MessageKind, SessionStore, StoredTurn
from orchestrator_client.tools.catalog import ToolDescriptor
from orchestrator_client.tools.connection import ToolConnection
from orchestrator_client.tools.executor import ToolExecutor, ToolOutcome

__all__ = ["Orchestrator", "ToolReport", "Turn"]

_log = structlog.get_logger(__name__)
_KINDS: dict[str, MessageKind] = {"assistant": "agent", "user": "note"}

Outcome = Literal["waiting", "completed", "answered", "gave_up", "interrupted", "cancelled"]


@dataclass(frozen=True, slots=True)
class ToolReport:
    """One tool call of the turn. `message` is the error, if it failed."""

    tool: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one message. `agent` is who answered; `mode` is the session's mode afterwards."""

    session_id: str
    reply: str
    agent: str | None
    outcome: Outcome
    mode: str
    suggestions: tuple[str, ...] = ()
    tool_calls: tuple[ToolReport, ...] = ()
    repeated: bool = field(default=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Turn":
        calls = tuple(ToolReport(**call) for call in stored["tool_calls"])
        suggestions = tuple(map(str, stored["suggestions"]))
        return cls(**{**stored, "tool_calls": calls, "suggestions": suggestions, "repeated": True})  # pyright: ignore[reportArgumentType] - what as_json wrote


class Orchestrator:
    """Serves any number of sessions at once; the messages of one session are answered in order."""

    def __init__(
        self,
        *,
        model: Model,
        routing_model: Model,
        agents: AgentRegistry,
        connection: ToolConnection,
        store: SessionStore,
        today: Callable[[], str] = lambda: datetime.now(UTC).date().isoformat(),
    ) -> None:
        self._model = model
        self._agents = agents
        self._router = Router(routing_model, agents.options, fallback=FALLBACK_AGENT)
        self._connection = connection
        self._executor = ToolExecutor(connection)
        self._store = store
        self._today = today
        self._locks: dict[str, anyio.Lock] = {}

    async def handle_message(
        self, session_id: str, text: str, *, message_id: str | None = None, listener: Listener | None = None
    ) -> Turn:
        """Answer one message of a person.

        The same `message_id` gets the first answer again. A turn that a crash cut short is finished first. Failures of
        routing, model and tools become honest answers; the state is never left half way.
        """
        async with self._in_order(session_id):
            await self._store.create(session_id)
            unfinished = await self._store.unfinished_turn(session_id)
            if unfinished is not None and unfinished.message_id != message_id:
                await self._carry_out(unfinished, _ignore)
            turn = await self._store.begin_turn(session_id, message_id or uuid.uuid4().hex, text)
            if turn.result is not None:
                return Turn.from_json(turn.result)
            return await self._carry_out(turn, listener or _ignore)

    async def recover(self, session_id: str, *, listener: Listener | None = None) -> Turn | None:
        """Finish the turn that a crash cut short, if there is one."""
        async with self._in_order(session_id):
            unfinished = await self._store.unfinished_turn(session_id)
            return None if unfinished is None else await self._carry_out(unfinished, listener or _ignore)

    async def cancel(self, session_id: str) -> Turn:
        """End the active task. What it has stored stays stored, and the answer says what that is."""
        async with self._in_order(session_id):
            state = await self._store.state(session_id)
            if state.task is None:
                return Turn(session_id, "There is no task to cancel.", None, "cancelled", state.mode)
            stored = await self._stored_by(session_id, state.task.id)
            agent = self._agents[state.task.agent]
            state, _ = machine.transition(state, machine.Cancelled())
            await self._store.set_state(session_id, state)
        kept = f" Already stored, and kept: {', '.join(stored)}." if stored else " Nothing had been stored."
        return Turn(session_id, f"{agent.title}: cancelled.{kept}", agent.key, "cancelled", state.mode)

    async def set_project(self, session_id: str, project: str | None) -> None:
        async with self._in_order(session_id):
            await self._store.create(session_id)
            state = await self._store.state(session_id)
            await self._store.set_state(session_id, state.model_copy(update={"project": project}))

    @asynccontextmanager
    async def _in_order(self, session_id: str) -> AsyncGenerator[None]:
        lock = self._locks.setdefault(session_id, anyio.Lock())
        async with lock:
            yield
        if not lock.statistics().tasks_waiting:
            self._locks.pop(session_id, None)

    async def _carry_out(self, turn: StoredTurn, listener: Listener) -> Turn:
        """One turn, from wherever it stands to its stored result."""
        way = _Way(turn, await self._store.state(turn.session_id), _Recorder(listener))
        try:
            result = await self._resume_or_start(way)
        except ClientError as error:
            _log.warning("turn interrupted", session=turn.session_id, code=error.code)
            way.state, _ = machine.transition(way.stored, machine.Interrupted())
            result = way.interrupted(error)
        except Exception:  # noqa: BLE001 - where a request enters: it is logged, and answered honestly
            _log.exception("turn crashed", session=turn.session_id)
            way.state = way.stored
            result = way.crashed()
        await self._store.finish_turn(turn, state=way.state, result=result.as_json())
        return result

    async def _resume_or_start(self, way: "_Way") -> Turn:
        if way.state.task is not None:
            logged = await self._store.log(way.session_id, task_id=way.state.task.id)
            if any(entry.turn == way.turn.number for entry in logged):
                return await self._run_agent(way, self._agents[way.state.task.agent])
        return await self._apply(way, machine.Said(way.turn.text))

    async def _apply(self, way: "_Way", event: machine.Event) -> Turn:
        way.state, effects = machine.transition(way.state, event)
        for effect in effects:
            match effect:
                case machine.Route(text):
                    return await self._route(way, text)
                case machine.RunAgent(agent, text, opens):
                    return await self._start_agent(way, self._agents[agent], text, opens=opens)
                case machine.Suggest():
                    pass
        raise AssertionError("every event of a message leads to an answer")

    async def _route(self, way: "_Way", text: str) -> Turn:
        route = await self._router.route(text, project=way.state.project)
        agent = self._agents[route.agent]
        way.tell(AgentChosen(agent.key, agent.title, route.reason))
        conversation = agent.kind == "conversation"
        return await self._apply(way, machine.Routed(agent.key, uuid.uuid4().hex, text, conversation=conversation))

    async def _start_agent(self, way: "_Way", agent: Agent, text: str, *, opens: bool) -> Turn:
        if agent.kind == "task" and not agent.goals_on(tool.name for tool in await self._connection.list_tools()):
            return self._cannot(way, agent)
        messages: list[tuple[MessageKind, Message]] = [("person", user(text))]
        if opens:
            messages.insert(0, ("context", user(await self._context(way, agent))))
        way.task_id = way.state.task.id if way.state.task else f"talk-{way.turn.number}"
        await self._store.step(way.turn, task_id=way.task_id, messages=messages, state=way.state)
        way.stored = way.state
        return await self._run_agent(way, agent)

    def _cannot(self, way: "_Way", agent: Agent) -> Turn:
        """The server lacks the agent's goal tools: say so at once, and leave no task open."""
        way.state, _ = machine.transition(way.state, machine.Ended("gave_up"))
        missing = ", ".join(goal.tool for goal in agent.goals)
        way.say(
            f"This is for {agent.title}, but the connected tool server ({self._connection.server_name}) offers none of "
            f"the tools it needs ({missing}). Nothing was done. Connect a server that has them with --server."
        )
        return way.result(agent.key, "gave_up")

    async def _context(self, way: "_Way", agent: Agent) -> str:
        async def look_up(use: ToolUseBlock) -> ToolOutcome:
            return await self._executor.run(use, allowed=agent.allowed_tools, idempotency_key=None)

        base = base_context(project=way.state.project, today=self._today())
        blocks = await load_task_context(agent.context, {"project": way.state.project}, look_up)
        return f"{base}\n\n{blocks}".strip()

    async def _run_agent(self, way: "_Way", agent: Agent) -> Turn:
        """Let the agent take its turn on what the store holds of its task."""
        task = way.state.task
        way.task_id = task.id if task else way.task_id
        history = [entry.message for entry in await self._store.log(way.session_id, task_id=way.task_id)]
        run = await self._agent_run(way, agent, opening=task.opening_message if task else way.turn.text)
        try:
            turn = await run.answer(history)
        except GaveUp as limit:
            return self._gave_up(way, agent, str(limit))
        return self._ended(way, agent, turn)

    async def _agent_run(self, way: "_Way", agent: Agent, *, opening: str) -> AgentRun:
        offered = await self._connection.list_tools()
        goals = agent.goals_on(tool.name for tool in offered)
        options = self._agents.options if agent.kind == "conversation" else ()
        known = {} if way.state.project is None else {"project": way.state.project}

        async def remember(message: Message) -> None:
            kind = "tools" if message.tool_results else _KINDS[message.role]
            await self._store.step(way.turn, task_id=way.task_id, messages=[(kind, message)])

        return AgentRun(
            agent=agent,
            brief=AgentBrief(agent.key, agent.title, goals, opening, known, options),
            system=system_prompt(agent, goals=[goal.tool for goal in goals], options=options),
            tools=tuple(_spec(tool) for tool in offered if tool.name in agent.allowed_tools),
            model=self._model,
            executor=self._executor,
            session_id=way.session_id,
            task_id=way.task_id,
            remember=remember,
            tell=way.tell,
        )

    def _ended(self, way: "_Way", agent: Agent, turn: AgentTurn) -> Turn:
        if turn.verdict is Verdict.WAITING:
            return way.result(agent.key, "answered" if agent.kind == "conversation" else "waiting")
        if turn.verdict is Verdict.REFUSED:
            return self._gave_up(way, agent, "It reported success, but no tool has confirmed one.")
        facts = _facts(turn.evidence)
        way.state, effects = machine.transition(way.state, machine.Ended("completed", project=facts.get("project")))
        if effects:
            way.state = way.state.model_copy(update={"suggestions": suggest(agent.follow_ups, facts)})
        return way.result(agent.key, "completed")

    def _gave_up(self, way: "_Way", agent: Agent, reason: str) -> Turn:
        way.state, _ = machine.transition(way.state, machine.Ended("gave_up"))
        way.say(f"{agent.title} ended without reaching its goal: {reason} Say it again, perhaps in smaller steps.")
        return way.result(agent.key, "gave_up")

    async def _stored_by(self, session_id: str, task_id: str) -> list[str]:
        """What the writes of a task have stored, as `tool: id`."""
        read_only = {tool.name for tool in await self._tools_or_none() if tool.read_only}
        names: dict[str, str] = {}
        stored: list[str] = []
        for entry in await self._store.log(session_id, task_id=task_id):
            names |= {use.id: use.name for use in entry.message.tool_uses}
            for result in entry.message.tool_results:
                answer = result.structured or {}
                tool = names.get(result.tool_use_id, "")
                if not result.is_error and tool not in read_only and not answer.get("dry_run"):
                    stored.append(f"{tool}: {as_object(answer.get('record')).get('id', 'done')}")
        return stored

    async def _tools_or_none(self) -> tuple[ToolDescriptor, ...]:
        try:
            return await self._connection.list_tools()
        except ToolCallError:
            return ()


class _Recorder:
    """Passes events on, and keeps what the turn's result needs of them."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.calls: list[ToolReport] = []
        self.pieces: list[str] = []

    def __call__(self, event: TurnEvent) -> None:
        match event:
            case ToolFinished():
                self.calls.append(ToolReport(event.tool, event.ok, event.message))
                self.pieces.clear()
            case TextPiece(text):
                self.pieces.append(text)
            case TextWithdrawn():
                self.pieces.clear()
            case Note(text):
                self.pieces.append(text if not self.pieces else f"\n\n{text}")
            case _:
                pass
        self._listener(event)


class _Way:
    """How far one turn has come: state, task and what was said. `stored` is the state a failure falls back to."""

    def __init__(self, turn: StoredTurn, state: SessionState, recorder: _Recorder) -> None:
        self.turn = turn
        self.session_id = turn.session_id
        self.state = state
        self.stored = state
        self.task_id = state.task.id if state.task else f"talk-{turn.number}"
        self.tell = recorder
        self._recorder = recorder

    def say(self, text: str) -> None:
        self.tell(Note(text))

    def result(self, agent: str | None, outcome: Outcome) -> Turn:
        return Turn(
            session_id=self.session_id,
            reply="".join(self._recorder.pieces).strip(),
            agent=agent,
            outcome=outcome,
            mode=self.state.mode,
            suggestions=self.state.suggestions if outcome == "completed" else (),
            tool_calls=tuple(self._recorder.calls),
        )

    def interrupted(self, error: ClientError) -> Turn:
        who = "The language model" if isinstance(error, ModelError) else "The tool server"
        again = " Your task is still open; send your message again to go on." if self.state.task else ""
        self.say(f"{who} could not be used: {error}{again}")
        return self.result(self.state.task.agent if self.state.task else None, "interrupted")

    def crashed(self) -> Turn:
        self.say(
            "Something went wrong inside Shopfloor. Nothing was lost; send your message again. The log has the details."
        )
        return self.result(None, "interrupted")


def _facts(evidence: tuple[Evidence, ...]) -> dict[str, str]:
    """Plain facts of the evidenced calls, for suggestions: arguments, then the record they made; the latest wins."""
    facts: dict[str, str] = {}
    for item in evidence:
        for source in (item.arguments, as_object(item.answer.get("record"))):
            facts |= {name: value for name, value in source.items() if isinstance(value, str)}
    return facts


def _spec(tool: ToolDescriptor) -> ToolSpec:
    return ToolSpec(tool.name, tool.description, tool.input_schema, read_only=tool.read_only)


def _ignore(_event: TurnEvent) -> None:
    """Nobody listens."""
