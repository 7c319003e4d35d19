"""Carries out, for one turn, what the state machine decides: asks router and detector, lets agents work, says things.

Every effect leads to at most one further event. What is stored is a state from which the turn could go on.
"""

import uuid
from collections import deque
from collections.abc import Sequence
from typing import assert_never

import structlog

from orchestrator_client import remarks
from orchestrator_client.agent_work import AgentWork, facts_of, hand_off_of, last_said, project_of
from orchestrator_client.agents.loop import AgentTurn, GaveUp
from orchestrator_client.agents.registry import FALLBACK_AGENT, Agent, AgentRegistry
from orchestrator_client.context.task_context import talk_of
from orchestrator_client.dialogue import choices, machine
from orchestrator_client.dialogue.commands import WrongCommand, event_of
from orchestrator_client.dialogue.completion import Verdict, without_marker
from orchestrator_client.dialogue.messages import Message, context, user
from orchestrator_client.dialogue.moves import (
    Ask,
    CheckTopic,
    ContextLoaded,
    Effect,
    Ended,
    Event,
    Farewell,
    OffTopic,
    OnTopic,
    Reask,
    Route,
    Routed,
    RunAgent,
    Serve,
    Suggest,
    Suggested,
    Tell,
    Unclear,
)
from orchestrator_client.dialogue.state import Candidate, TaskState
from orchestrator_client.dialogue.suggestions import suggest
from orchestrator_client.events import AgentChosen, TaskCompleted, TextPiece
from orchestrator_client.models.protocol import Model
from orchestrator_client.routing.router import Router
from orchestrator_client.routing.topic import TopicDetector
from orchestrator_client.tools.connection import ToolConnection
from orchestrator_client.turn import Way

__all__ = ["TurnDriver"]

_log = structlog.get_logger(__name__)


class TurnDriver:
    """Shared by all sessions; everything that belongs to one turn travels in its `Way`."""

    def __init__(
        self,
        *,
        routing_model: Model,
        agents: AgentRegistry,
        work: AgentWork,
        server: ToolConnection,
    ) -> None:
        self._routing_model = routing_model
        self._agents = agents
        self._work = work
        self._server = server
        self._router = Router(agents.options, fallback=FALLBACK_AGENT)
        self._detector = TopicDetector(agents.options, fallback=FALLBACK_AGENT)

    async def drive(self, way: Way) -> None:
        """Carry the turn from where it stands to its end.

        Raises:
            ClientError: model, tools or store failed for good; `way.stored` is the state to fall back to.
        """
        first = await self._first(way)
        events: deque[Event] = deque() if first is None else deque([first])
        while events:
            way.state, effects = machine.transition(way.state, events.popleft())
            for effect in effects:
                event = await self._carry_out(way, effect)
                if event is not None:
                    events.append(event)

    async def _first(self, way: Way) -> Event | None:
        """What the turn begins with: its message, or, after a crash, what was still to be done."""
        if way.state.heard == way.turn.number:
            return await self._after_a_crash(way)
        task = way.state.task
        asked = _last_words(await self._work.history(way)) if task else ""
        try:
            return event_of(way.turn.text, way.state, turn=way.turn.number, asked=asked)
        except WrongCommand as wrong:
            way.say(str(wrong))
            return None

    async def _after_a_crash(self, way: Way) -> Event | None:
        """The message was taken up already. The agent goes on from its log, or the waiting request is served."""
        way.spent = await self._work.spent_before(way)
        way.completed += way.before.completed
        if way.before.said:
            way.say(way.before.said)
        task = way.state.task
        if task is not None:
            return await self._known(way, task.agent) or await self._let_work(way, self._agents[task.agent])
        if way.state.waiting:
            return await self._serve(way)
        way.say("Your earlier message was carried out; only its answer was cut short.")
        return None

    async def _carry_out(self, way: Way, effect: Effect) -> Event | None:
        match effect:
            case Route(text, asked):
                return await self._route(way, text, asked)
            case CheckTopic(text):
                return await self._check_topic(way, text)
            case RunAgent():
                return await self._run(way, effect)
            case Serve():
                return await self._serve(way)
            case Reask():
                return await self._reask(way)
            case Suggest(agent, opening):
                return self._suggested(way, agent, opening)
            case Ask(again):
                way.outcome = "choosing"
                way.say(
                    "\n".join([*([remarks.PICK_ONE] if again else ()), choices.put(way.state, self._agents.title_of)])
                )
            case Farewell(task):
                await self._farewell(way, task)
            case Tell():
                way.say(remarks.confirmed(effect))
            case _:
                assert_never(effect)
        return None

    async def _route(self, way: Way, text: str, asked: int) -> Event:
        parked = [task.opening_message for task in way.state.parked]
        model = way.metered(self._routing_model)
        route = await self._router.route(model, text, project=way.state.project, parked=parked, talk=way.state.talk)
        if route.clear:
            return self._chosen(way, route.agent, text, reason=route.reason)
        options = tuple(Candidate(agent=key, title=self._agents.title_of(key)) for key in route.candidates)
        return Unclear(text, options, FALLBACK_AGENT, _new_task_id(), asked)

    def _chosen(self, way: Way, key: str, text: str, *, reason: str) -> Routed:
        agent = self._agents[key]
        way.tell(AgentChosen(agent.key, agent.title, reason))
        return Routed(agent.key, _new_task_id(), text, conversation=agent.kind == "conversation")

    async def _check_topic(self, way: Way, text: str) -> Event:
        task = _task(way)
        topic = await self._detector.check(
            way.metered(self._routing_model),
            text,
            agent=task.agent,
            goal=task.opening_message,
            recent=await self._work.history(way),
        )
        return OnTopic(text) if topic.agent is None else OffTopic(text, topic.agent)

    async def _serve(self, way: Way) -> Event:
        """Take up the first waiting request. It is stored as waiting until its task has begun."""
        await self._work.keep(way, moves=True)
        request = way.state.waiting[0]
        way.say(remarks.now_serving(request.text))
        if request.agent is not None and request.agent in self._agents:
            return self._chosen(way, request.agent, request.text, reason="chosen with the request")
        return await self._route(way, request.text, asked=0)

    async def _reask(self, way: Way) -> Event | None:
        task = _task(way)
        gone = await self._known(way, task.agent)
        if gone is not None:
            return gone
        way.say(remarks.back_at(task.opening_message, self._agents.title_of(task.agent)))
        words = _last_words(await self._work.history(way))
        if not words:  # it was interrupted before it could answer
            await self._work.keep(way, moves=True)
            return await self._let_work(way, self._agents[task.agent])
        way.tell(TextPiece(words))
        way.agent, way.outcome = task.agent, "waiting"
        return None

    def _suggested(self, way: Way, key: str, opening: str) -> Event:
        parked = [task.opening_message for task in reversed(way.state.parked)]
        return Suggested(suggest(self._agents[key].follow_ups, way.facts, parked, said=opening))

    async def _farewell(self, way: Way, task: TaskState) -> None:
        way.agent, way.outcome = task.agent, "cancelled"
        way.say(remarks.cancelled(self._agents.title_of(task.agent), await self._work.effects(way, task.id)))

    async def _known(self, way: Way, key: str) -> Event | None:
        """None, or the end of a task whose agent is not defined any more."""
        if key in self._agents:
            return None
        way.say(remarks.gone(key))
        way.agent, way.outcome = key, "gave_up"
        return Ended("gave_up")

    async def _run(self, way: Way, effect: RunAgent) -> Event:
        gone = await self._known(way, effect.agent)
        if gone is not None:
            return gone
        agent = self._agents[effect.agent]
        if agent.kind == "task" and not await self._work.can_reach_a_goal(agent):
            way.say(remarks.cannot(agent, self._server.server_name))
            way.agent, way.outcome = agent.key, "gave_up"
            return Ended("gave_up")
        if effect.opens:
            await self._open(way, agent, effect.text)
        else:
            await self._go_on(way, agent, effect.text)
        return await self._let_work(way, agent)

    async def _open(self, way: Way, agent: Agent, text: str) -> None:
        """Log the first message of a task, or of small talk, whose message is taken up only once it is answered."""
        talk = agent.kind == "conversation"
        if talk and last_said(await self._work.history(way)) == text:  # a crash came before its answer was told
            return
        messages = [context(await self._work.opening_context(agent, way.state)), user(text)]
        await self._work.keep(way, messages, moves=not talk)

    async def _go_on(self, way: Way, agent: Agent, text: str) -> None:
        """Log the next message of a task, after settling what a crash left and loading what could not be loaded."""
        history = list(await self._work.history(way))
        if history and history[-1].tool_uses:  # a turn was interrupted between a call and its answer
            await (await self._work.run(way, agent)).settle(history)
        messages = [user(text)]
        task = _task(way)
        project = task.project or way.state.project
        if project is not None and project != task.context_of:
            late = await self._work.late_context(agent, project)
            way.state, _ = machine.transition(way.state, ContextLoaded(project))
            if late:
                messages.insert(0, context(late))
        await self._work.keep(way, messages, moves=True)

    async def _let_work(self, way: Way, agent: Agent) -> Event:
        """Let the agent take its turn on what the store holds of its task."""
        way.agent = agent.key
        run = await self._work.run(way, agent)
        try:
            turn = await run.answer(await self._work.history(way))
        except GaveUp as limit:
            return await self._gave_up(way, agent, str(limit))
        if turn.verdict is Verdict.REFUSED:
            return await self._gave_up(way, agent, "It reported success, but no tool has confirmed one.")
        if turn.verdict is Verdict.COMPLETED:
            return await self._completed(way, agent, turn)
        if agent.kind == "conversation":
            way.outcome = "answered"
            way.tell.keep()
            return Ended("answered", talk=talk_of(await self._work.history(way)))
        way.outcome = "waiting"
        project = project_of(await self._work.history(way))
        return Ended("confirming" if turn.confirming else "waiting", task_project=project)

    async def _completed(self, way: Way, agent: Agent, turn: AgentTurn) -> Event:
        way.outcome = "completed"
        way.completed.append(agent.key)
        way.facts = facts_of(turn.evidence)
        if not turn.text:
            way.say(remarks.done(turn.evidence))
        way.tell(TaskCompleted(agent.key, agent.title))
        way.tell.keep()
        await self._work.sum_up(way, way.task_id)
        return Ended("completed", project=way.facts.get("project"), hand_off=hand_off_of(agent, turn.evidence))

    async def _gave_up(self, way: Way, agent: Agent, reason: str) -> Event:
        effects = await self._work.effects(way, way.task_id)
        way.say(remarks.unfinished(agent, reason, effects))
        way.agent, way.outcome = agent.key, "gave_up"
        return Ended("gave_up")


def _task(way: Way) -> TaskState:
    assert way.state.task is not None, "the machine asks this only during a task"
    return way.state.task


def _new_task_id() -> str:
    return uuid.uuid4().hex


def _last_words(history: Sequence[Message]) -> str:
    """What the agent last said to the person, if the next word is theirs."""
    last = history[-1] if history else None
    if last is None or last.kind != "agent" or last.tool_uses:
        return ""
    return without_marker(last.text)
