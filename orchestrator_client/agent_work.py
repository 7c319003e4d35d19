"""How an agent is put to work on a task: what it starts with, what it sees, what it leaves behind.

A task owns its messages. It starts with the plant data its agent declares and at most a typed hand-off of the task
before it, and nothing else crosses from one task to another.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator_client.agents.loop import AgentRun
from orchestrator_client.agents.prompt import base_context, system_prompt
from orchestrator_client.agents.registry import Agent, AgentRegistry
from orchestrator_client.context.fencing import fenced
from orchestrator_client.context.history import Policy, Summarizer, Windowing, turns_of
from orchestrator_client.context.task_context import handed_over, just_said, load_task_context, references
from orchestrator_client.dialogue.completion import Evidence
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.effects import Effects, effects_in
from orchestrator_client.dialogue.json_values import as_object
from orchestrator_client.dialogue.messages import Message, ToolUseBlock
from orchestrator_client.dialogue.state import HandOff, SessionState
from orchestrator_client.dialogue.usage import NO_USAGE, Usage
from orchestrator_client.errors import ToolCallError
from orchestrator_client.models.protocol import AgentBrief, Model, ModelRequest, ToolSpec
from orchestrator_client.sessions.store import SessionStore
from orchestrator_client.tools.catalog import ToolDescriptor
from orchestrator_client.tools.connection import ToolConnection
from orchestrator_client.tools.executor import ToolExecutor, ToolOutcome
from orchestrator_client.turn import Way

Fit = Callable[[ModelRequest], Awaitable[ModelRequest]]

__all__ = ["AgentWork", "facts_of", "hand_off_of", "last_said", "project_of"]

_UNKNOWN_WINDOW_TOKENS = 32_000
"""Taken for a model that does not say how much it takes: what small local models have today."""


class AgentWork:
    """`now` is the clock, `context_tokens` the size of the agents' model where it cannot say so itself."""

    def __init__(
        self,
        *,
        model: Model,
        summary_model: Model,
        agents: AgentRegistry,
        connection: ToolConnection,
        store: SessionStore,
        policy: Policy,
        context_tokens: int | None,
        now: Callable[[], datetime],
    ) -> None:
        self._model = model
        self._summary_model = summary_model
        self._agents = agents
        self._connection = connection
        self._executor = ToolExecutor(connection)
        self._store = store
        self._policy = policy
        self._context_tokens = context_tokens
        self._now = now

    async def can_reach_a_goal(self, agent: Agent) -> bool:
        """Whether the connected server has any of the agent's goal tools."""
        return bool(agent.goals_on(tool.name for tool in await self._connection.list_tools()))

    async def history(self, way: Way, task_id: str | None = None) -> Sequence[Message]:
        """The messages of a task, by default the one under way; the log is read once a turn."""
        wanted = task_id or way.task_id
        if wanted not in way.histories:
            way.histories[wanted] = await self._logged(way.session_id, wanted)
        return tuple(way.histories[wanted])

    async def keep(self, way: Way, messages: Sequence[Message] = (), *, moves: bool = False) -> None:
        """Store messages of the task under way, and the model calls answered so far; if it `moves`, the state too."""
        task_id = way.task_id
        calls = way.calls[way.booked :]
        state = way.state.but(so_far=way.so_far()) if moves else None
        await self._store.step(way.turn, task_id=task_id, messages=messages, state=state, usage=calls)
        way.booked += len(calls)
        if task_id in way.histories:
            way.histories[task_id] += messages
        if moves:
            way.stored = way.state

    async def spent_before(self, way: Way) -> Usage:
        """What a turn that is finished after a crash had used before it."""
        booked = await self._store.usage(way.session_id)
        return sum((entry.call.usage for entry in booked if entry.turn == way.turn.number), NO_USAGE)

    async def opening_context(self, agent: Agent, state: SessionState) -> str:
        """What a task starts with: day, project, what was finished before, the plant data its agent declares."""
        base = base_context(project=state.project, today=self._now().date().isoformat())
        handed = handed_over(state.done) if state.done and agent.kind == "task" else ""
        before = just_said(state.talk) if state.talk else ""
        blocks = await self._plant_data(agent, state.project)
        return "\n\n".join(filter(None, (base, handed, before, blocks)))

    async def late_context(self, agent: Agent, project: str) -> str:
        """What a task is shown once its project is known, or is another one; empty if its agent declares nothing."""
        blocks = await self._plant_data(agent, project, late=True)
        return f"Project: {project}.\n\n{blocks}" if blocks else ""

    async def _logged(self, session_id: str, task_id: str) -> list[Message]:
        return [entry.message for entry in await self._store.log(session_id, task_id=task_id)]

    async def _plant_data(self, agent: Agent, project: str | None, *, late: bool = False) -> str:
        """The blocks of the agent's declared needs; `late`: only those that had to wait for the project."""

        async def look_up(use: ToolUseBlock) -> ToolOutcome:
            return await self._executor.run(use, allowed=agent.allowed_tools, idempotency_key=None)

        needs = [need for need in agent.context if not late or references(need.arguments)]
        return await load_task_context(needs, {"project": project}, look_up)

    async def run(self, way: Way, agent: Agent) -> AgentRun:
        """The agent, ready to answer what the store holds of its task."""
        offered = await self._connection.list_tools() if agent.allowed_tools else ()

        async def remember(message: Message) -> None:
            await self.keep(way, [message])

        task_id = way.task_id
        return AgentRun(
            agent=agent,
            brief=self._brief(agent, way.state, offered, opening=last_said(await self.history(way))),
            system=self._system(agent, offered),
            tools=_specs(agent, offered),
            repeatable=frozenset(tool.name for tool in offered if tool.read_only or tool.keyed),
            model=way.metered(self._model),
            executor=self._executor,
            session_id=way.session_id,
            task_id=task_id,
            remember=remember,
            tell=way.tell,
            fit=await self._fitting(way, task_id),
        )

    async def sum_up(self, way: Way, task_id: str) -> None:
        """Keep the summary of a finished task, if the policy wants one and no crash came after it."""
        history = await self.history(way, task_id)
        condensed, whole = await self._store.condensed(way.session_id, task_id), len(turns_of(history))
        if condensed is not None and condensed.turns >= whole:
            return
        summary = await self._windowing(way).sum_up(history, condensed)
        if summary:
            await self._store.keep_condensed(way.turn, task_id, Condensed(whole, summary, cleared_turns=whole))

    async def prompt(self, session_id: str, state: SessionState, agent: Agent, task_id: str) -> ModelRequest:
        """What the agent would see now, to the letter. Nothing is asked and nothing is condensed for it."""
        offered = await self._connection.list_tools() if agent.allowed_tools else ()
        history = await self._logged(session_id, task_id)
        request = ModelRequest(
            brief=self._brief(agent, state, offered, opening=history[0].text if history else ""),
            system=self._system(agent, offered),
            messages=tuple(history),
            tools=_specs(agent, offered),
        )
        window, scale = await self._room(session_id, task_id)
        windowing = Windowing(self._policy, Summarizer(self._summary_model))
        condensed = await self._store.condensed(session_id, task_id)
        seen = windowing.shown(request, condensed, window_tokens=window, scale=scale)
        return replace(seen, messages=fenced(seen.messages))

    async def effects(self, way: Way, task_id: str) -> Effects:
        """What the writes of a task have stored, as far as its log tells."""
        try:
            read_only = {tool.name for tool in await self._connection.list_tools() if tool.read_only}
        except ToolCallError:
            read_only = None
        return effects_in(await self.history(way, task_id), read_only=read_only)

    def _brief(
        self, agent: Agent, state: SessionState, offered: Iterable[ToolDescriptor], *, opening: str
    ) -> AgentBrief:
        task = state.task
        project = (task.project if task else None) or state.project
        return AgentBrief(
            agent=agent.key,
            title=agent.title,
            goals=agent.goals_on(tool.name for tool in offered),
            opening_message=task.opening_message if task else opening,
            known={} if project is None else {"project": project},
            options=self._agents.options if agent.kind == "conversation" else (),
            now=self._now(),
        )

    def _system(self, agent: Agent, offered: Iterable[ToolDescriptor]) -> str:
        goals = agent.goals_on(tool.name for tool in offered)
        options = self._agents.options if agent.kind == "conversation" else ()
        return system_prompt(agent, goals=[goal.tool for goal in goals], options=options)

    async def _room(self, session_id: str, task_id: str) -> tuple[int, float]:
        """The model's window, and what it last reported of this task, divided by what that was estimated at."""
        window = self._context_tokens or await self._model.window_tokens() or _UNKNOWN_WINDOW_TOKENS
        last = await self._store.last_agent_call(session_id, task_id)
        return window, last.usage.input_tokens / last.estimated_tokens if last and last.estimated_tokens else 1.0

    def _windowing(self, way: Way) -> Windowing:
        return Windowing(self._policy, Summarizer(way.metered(self._summary_model)))

    async def _fitting(self, way: Way, task_id: str) -> Fit:
        windowing, session_id = self._windowing(way), way.session_id
        condensed = await self._store.condensed(session_id, task_id)
        window, scale = await self._room(session_id, task_id)

        async def fit(request: ModelRequest) -> ModelRequest:
            nonlocal condensed
            fitted = await windowing.fit(request, condensed, window_tokens=window, scale=scale)
            if fitted.changed and fitted.condensed is not None:
                condensed = fitted.condensed
                await self._store.keep_condensed(way.turn, task_id, condensed)
            return fitted.request

        return fit


def last_said(messages: Sequence[Message]) -> str:
    """The person's last words; empty if there are none."""
    return next((message.text for message in reversed(messages) if message.kind == "person"), "")


def project_of(messages: Sequence[Message]) -> str | None:
    """The project that the last successful call of a task names."""
    uses = {use.id: use for message in messages for use in message.tool_uses}
    for message in reversed(messages):
        for result in message.tool_results:
            use = uses.get(result.tool_use_id)
            project = use.input.get("project") if use and not result.is_error else None
            if isinstance(project, str):
                return project
    return None


def facts_of(evidence: Iterable[Evidence]) -> dict[str, str]:
    """Plain facts of the evidenced calls: arguments, then the record they made; the latest wins.

    The project stays the one that was worked in: a record that all projects share has another.
    """
    facts: dict[str, str] = {}
    for item in evidence:
        project = {name: item.arguments[name] for name in ("project",) if name in item.arguments}
        for source in (item.arguments, as_object(item.answer.get("record")), project):
            facts |= {name: value for name, value in source.items() if isinstance(value, str)}
    return facts


def hand_off_of(agent: Agent, evidence: Sequence[Evidence]) -> HandOff:
    """What the finished task tells the next one: only the facts its agent declares, and the records it made."""
    facts = facts_of(evidence)
    made = [f"{item.tool} {record_id}" for item in evidence if (record_id := _made(item))]
    return HandOff(
        goal=f"{agent.title}: {', '.join(dict.fromkeys(item.tool for item in evidence))}",
        facts={name: facts[name][:_LONGEST_FACT] for name in agent.hand_off if name in facts},
        references=tuple(dict.fromkeys(made))[-_MOST_REFERENCES:],
    )


_LONGEST_FACT = 100
_MOST_REFERENCES = 5


def _made(item: Evidence) -> str:
    found = as_object(item.answer.get("record")).get("id")
    return found if isinstance(found, str) else ""


def _specs(agent: Agent, offered: Iterable[ToolDescriptor]) -> tuple[ToolSpec, ...]:
    return tuple(
        ToolSpec(tool.name, tool.description, tool.input_schema, read_only=tool.read_only)
        for tool in offered
        if tool.name in agent.allowed_tools
    )
