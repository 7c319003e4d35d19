"""`Orchestrator.handle_message`: the one entrance, and the only place that knows the whole way of a message.

Message -> session state -> router or active agent -> task context -> agent loop with checked tools -> completion ->
suggestions. The decisions are `dialogue.machine`'s; this module carries its effects out and stores every step.
"""

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import structlog

from orchestrator_client.agents.loop import AgentRun, AgentTurn, GaveUp
from orchestrator_client.agents.prompt import base_context, system_prompt
from orchestrator_client.agents.registry import FALLBACK_AGENT, Agent, AgentRegistry
from orchestrator_client.context.task_context import load_task_context
from orchestrator_client.dialogue import machine
from orchestrator_client.dialogue.completion import Evidence, Verdict
from orchestrator_client.dialogue.effects import Effects, effects_in
from orchestrator_client.dialogue.json_values import as_object
from orchestrator_client.dialogue.messages import Message, ToolUseBlock, context, user
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.suggestions import suggest
from orchestrator_client.errors import ClientError, ToolCallError
from orchestrator_client.events import AgentChosen, Listener, Note
from orchestrator_client.models.protocol import AgentBrief, Model, ToolSpec
from orchestrator_client.routing.router import Router
from orchestrator_client.sessions.store import SessionStore, StoredTurn
from orchestrator_client.tools.catalog import ToolDescriptor
from orchestrator_client.tools.connection import ToolConnection
from orchestrator_client.tools.executor import ToolExecutor, ToolOutcome
from orchestrator_client.turn import Recorder, ToolReport, Turn, Way, guarded

__all__ = ["Orchestrator", "ToolReport", "Turn"]

_log = structlog.get_logger(__name__)


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
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._model = model
        self._agents = agents
        self._router = Router(routing_model, agents.options, fallback=FALLBACK_AGENT)
        self._connection = connection
        self._executor = ToolExecutor(connection)
        self._store = store
        self._now = now
        self._locks: dict[str, anyio.Lock] = {}

    async def handle_message(
        self, session_id: str, text: str, *, message_id: str | None = None, listener: Listener | None = None
    ) -> Turn:
        """Answer one message of a person.

        The same `message_id` gets the first answer again. A turn that a crash cut short is finished first. Failures of
        routing, model and tools become honest answers; the state is never left half way.

        Raises:
            SessionConflict: another process is answering in this session, or keeps the session file busy.
            ConfigurationError: the session file cannot be used.
        """
        tell = guarded(listener)
        text = text.encode("utf-8", "replace").decode()  # a terminal may hand over bytes that are no text
        async with self._in_order(session_id):
            await self._store.create(session_id)
            unfinished = await self._store.unfinished_turn(session_id)
            if unfinished is not None and unfinished.message_id != message_id:
                tell(Note(f"Your earlier message was cut short; its answer comes first. You said: {unfinished.text}"))
                await self._carry_out(unfinished, tell)
                tell(Note("And to your new message:"))
            turn = await self._store.begin_turn(session_id, message_id or uuid.uuid4().hex, text)
            if turn.result is not None:
                return Turn.from_json(turn.result)
            return await self._carry_out(turn, tell)

    async def recover(self, session_id: str, *, listener: Listener | None = None) -> Turn | None:
        """Finish the turn that a crash cut short, if there is one."""
        async with self._in_order(session_id):
            unfinished = await self._store.unfinished_turn(session_id)
            return None if unfinished is None else await self._carry_out(unfinished, guarded(listener))

    async def cancel(self, session_id: str) -> Turn:
        """End the active task, and a turn of it that a crash cut short.

        What it has stored stays stored, and the answer says what that is.
        """
        async with self._in_order(session_id):
            state = await self._store.state(session_id)
            unfinished = await self._store.unfinished_turn(session_id)
            after, _ = machine.transition(state, machine.Cancelled())
            result = Turn(session_id, await self._farewell(session_id, state), None, "cancelled", after.mode)
            if state.task is not None:
                result = replace(result, agent=state.task.agent)
            if unfinished is not None:
                await self._store.finish_turn(unfinished, state=after, result=result.as_json())
            elif state.task is not None:
                await self._store.set_state(session_id, after)
        return result

    async def _farewell(self, session_id: str, state: SessionState) -> str:
        if state.task is None:
            return "There is no task to cancel."
        key = state.task.agent
        title = self._agents[key].title if key in self._agents else key
        effects = await self._effects(session_id, state.task.id)
        return f"{title}: cancelled. {str(effects) or 'Nothing had been stored.'}"

    async def set_project(self, session_id: str, project: str | None) -> None:
        async with self._in_order(session_id):
            await self._store.create(session_id)
            state = await self._store.state(session_id)
            await self._store.set_state(session_id, state.model_copy(update={"project": project}))

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

    async def _resume_or_start(self, way: Way) -> Turn:
        task = way.state.task
        if task is not None and task.agent in self._agents:
            logged = await self._store.log(way.session_id, task_id=task.id)
            if any(entry.turn == way.turn.number and entry.kind == "person" for entry in logged):
                return await self._run_agent(way, self._agents[task.agent])
        return await self._apply(way, machine.Said(way.turn.text))

    async def _apply(self, way: Way, event: machine.Event) -> Turn:
        way.state, effects = machine.transition(way.state, event)
        for effect in effects:
            match effect:
                case machine.Route(text):
                    return await self._route(way, text)
                case machine.RunAgent(agent, text, opens):
                    if agent not in self._agents:
                        return self._gone(way, agent)
                    return await self._start_agent(way, self._agents[agent], text, opens=opens)
                case machine.Suggest():
                    pass
        raise AssertionError("every event of a message leads to an answer")

    def _gone(self, way: Way, agent: str) -> Turn:
        """The session is older than the agent definitions."""
        way.state, _ = machine.transition(way.state, machine.Ended("gave_up"))
        way.say(f"Your task belonged to the agent {agent}, which is not there any more, so it was ended. Say it again.")
        return way.result(agent, "gave_up")

    async def _route(self, way: Way, text: str) -> Turn:
        route = await self._router.route(text, project=way.state.project)
        agent = self._agents[route.agent]
        way.tell(AgentChosen(agent.key, agent.title, route.reason))
        conversation = agent.kind == "conversation"
        return await self._apply(way, machine.Routed(agent.key, uuid.uuid4().hex, text, conversation=conversation))

    async def _start_agent(self, way: Way, agent: Agent, text: str, *, opens: bool) -> Turn:
        if agent.kind == "task" and not agent.goals_on(tool.name for tool in await self._connection.list_tools()):
            return self._cannot(way, agent)
        messages = [user(text)]
        if opens:
            messages.insert(0, context(await self._context(way, agent)))
        else:
            await self._settle(way, agent)
        way.task_id = way.state.task.id if way.state.task else f"talk-{way.turn.number}"
        await self._store.step(way.turn, task_id=way.task_id, messages=messages, state=way.state)
        way.stored = way.state
        return await self._run_agent(way, agent)

    async def _settle(self, way: Way, agent: Agent) -> None:
        """A turn may have been interrupted between a call and its answer; the answer belongs before all else."""
        history = await self._history(way)
        if history[-1].tool_uses:
            run = await self._agent_run(way, agent)
            await run.settle(history)

    async def _history(self, way: Way) -> list[Message]:
        return [entry.message for entry in await self._store.log(way.session_id, task_id=way.task_id)]

    def _cannot(self, way: Way, agent: Agent) -> Turn:
        """The server lacks the agent's goal tools: say so at once, and leave no task open."""
        way.state, _ = machine.transition(way.state, machine.Ended("gave_up"))
        missing = ", ".join(goal.tool for goal in agent.goals)
        way.say(
            f"This is for {agent.title}, but the connected tool server ({self._connection.server_name}) offers none of "
            f"the tools it needs ({missing}). Nothing was done. Connect a server that has them with --server."
        )
        return way.result(agent.key, "gave_up")

    async def _context(self, way: Way, agent: Agent) -> str:
        async def look_up(use: ToolUseBlock) -> ToolOutcome:
            return await self._executor.run(use, allowed=agent.allowed_tools, idempotency_key=None)

        base = base_context(project=way.state.project, today=self._now().date().isoformat())
        blocks = await load_task_context(agent.context, {"project": way.state.project}, look_up)
        return f"{base}\n\n{blocks}".strip()

    async def _run_agent(self, way: Way, agent: Agent) -> Turn:
        """Let the agent take its turn on what the store holds of its task."""
        run = await self._agent_run(way, agent)
        try:
            turn = await run.answer(await self._history(way))
        except GaveUp as limit:
            return await self._gave_up(way, agent, str(limit))
        return await self._ended(way, agent, turn)

    async def _agent_run(self, way: Way, agent: Agent) -> AgentRun:
        opening = way.state.task.opening_message if way.state.task else way.turn.text
        offered = await self._connection.list_tools() if agent.allowed_tools else ()
        goals = agent.goals_on(tool.name for tool in offered)
        options = self._agents.options if agent.kind == "conversation" else ()
        known = {} if way.state.project is None else {"project": way.state.project}

        async def remember(message: Message) -> None:
            await self._store.step(way.turn, task_id=way.task_id, messages=[message])

        return AgentRun(
            agent=agent,
            brief=AgentBrief(agent.key, agent.title, goals, opening, known, options, self._now()),
            system=system_prompt(agent, goals=[goal.tool for goal in goals], options=options),
            tools=tuple(_spec(tool) for tool in offered if tool.name in agent.allowed_tools),
            repeatable=frozenset(tool.name for tool in offered if tool.read_only or tool.keyed),
            model=self._model,
            executor=self._executor,
            session_id=way.session_id,
            task_id=way.task_id,
            remember=remember,
            tell=way.tell,
        )

    async def _ended(self, way: Way, agent: Agent, turn: AgentTurn) -> Turn:
        if turn.verdict is Verdict.WAITING:
            return way.result(agent.key, "answered" if agent.kind == "conversation" else "waiting")
        if turn.verdict is Verdict.REFUSED:
            return await self._gave_up(way, agent, "It reported success, but no tool has confirmed one.")
        facts = _facts(turn.evidence)
        way.state, effects = machine.transition(way.state, machine.Ended("completed", project=facts.get("project")))
        if effects:
            way.state = way.state.model_copy(update={"suggestions": suggest(agent.follow_ups, facts)})
        return way.result(agent.key, "completed")

    async def _gave_up(self, way: Way, agent: Agent, reason: str) -> Turn:
        effects = await self._effects(way.session_id, way.task_id)
        way.state, _ = machine.transition(way.state, machine.Ended("gave_up"))
        said = [f"{agent.title} ended without reaching its goal: {reason}", str(effects)]
        way.say(" ".join(filter(None, (*said, "Say it again, perhaps in smaller steps."))))
        return way.result(agent.key, "gave_up")

    async def _effects(self, session_id: str, task_id: str) -> Effects:
        """What the writes of a task have stored, as far as its log tells."""
        try:
            read_only = {tool.name for tool in await self._connection.list_tools() if tool.read_only}
        except ToolCallError:
            read_only = None
        log = await self._store.log(session_id, task_id=task_id)
        return effects_in((entry.message for entry in log), read_only=read_only)


def _facts(evidence: tuple[Evidence, ...]) -> dict[str, str]:
    """Plain facts of the evidenced calls, for suggestions: arguments, then the record they made; the latest wins.

    The project stays the one that was worked in: a record that all projects share has another.
    """
    facts: dict[str, str] = {}
    for item in evidence:
        project = {name: item.arguments[name] for name in ("project",) if name in item.arguments}
        for source in (item.arguments, as_object(item.answer.get("record")), project):
            facts |= {name: value for name, value in source.items() if isinstance(value, str)}
    return facts


def _spec(tool: ToolDescriptor) -> ToolSpec:
    return ToolSpec(tool.name, tool.description, tool.input_schema, read_only=tool.read_only)
