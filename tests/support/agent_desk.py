"""One agent at work on the small plant server, and all that came of it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from orchestrator_client.agents.loop import AgentRun, AgentTurn
from orchestrator_client.agents.registry import Agent
from orchestrator_client.dialogue.completion import MARKER
from orchestrator_client.dialogue.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock, context, user
from orchestrator_client.events import TextPiece, TextWithdrawn, ToolStarted, TurnEvent
from orchestrator_client.models.protocol import AgentBrief, Goal, ToolSpec
from orchestrator_client.models.scripted import ScriptedModel, Step
from orchestrator_client.tools.connection import Target, ToolConnection
from orchestrator_client.tools.executor import ToolExecutor
from tests.support.plants import Plant

__all__ = ["AGENT", "DONE", "LIMIT_S", "SAID", "TALKER", "Desk", "asks_for", "desk", "log_issue"]

LIMIT_S = 30.0
AGENT = Agent(
    key="issues",
    title="Issues",
    kind="task",
    description="Reports problems.",
    examples=(),
    prompt="Report problems.",
    tools=("get_machines", "hold", "refuse", "unannotated"),
    goals=(Goal("log_issue"),),
)
TALKER = replace(AGENT, kind="conversation", goals=(), tools=())
DONE = f"Stored as I-1.\n{MARKER}"
SAID = [context("Today is 2026-11-22."), user("The press leaks")]


@dataclass
class Desk:
    """A run and what came of it. `seen_effects` is how many effects there were when each message was remembered."""

    run: AgentRun
    model: ScriptedModel
    remembered: list[Message]
    seen_effects: list[int]
    events: list[TurnEvent]

    @property
    def shown(self) -> str:
        """What stands on the screen in the end."""
        pieces: list[str] = []
        for event in self.events:
            match event:
                case TextPiece(text):
                    pieces.append(text)
                case TextWithdrawn():
                    pieces.clear()
                case _:
                    pass
        return "".join(pieces)

    @property
    def results(self) -> list[ToolResultBlock]:
        return [result for message in self.remembered for result in message.tool_results]

    @property
    def started(self) -> list[str]:
        """The tools that were really called."""
        return [event.tool for event in self.events if isinstance(event, ToolStarted)]

    @property
    def choices(self) -> list[str | None]:
        """The tool choice of every request."""
        return [request.tool_choice for request in self.model.requests]

    async def answer(self, history: Sequence[Message] = SAID) -> AgentTurn:
        with anyio.fail_after(LIMIT_S):
            return await self.run.answer(history)


@asynccontextmanager
async def desk(
    plant: Plant | None, steps: Sequence[Step], agent: Agent = AGENT, *, attempts: int = 3
) -> AsyncGenerator[Desk]:
    """Without a plant there is no tool server, which saves its start where no tool is called."""
    target = plant.target if plant else Target(command=("no-such-program-here",))
    async with ToolConnection(target) as connection, ScriptedModel(steps) as model:
        offered = await connection.list_tools() if plant else ()
        remembered: list[Message] = []
        seen_effects: list[int] = []
        events: list[TurnEvent] = []

        async def remember(message: Message) -> None:
            remembered.append(message)
            seen_effects.append(len(plant.effects) if plant else 0)

        run = AgentRun(
            agent=agent,
            brief=AgentBrief(agent.key, agent.title, agent.goals, "The press leaks", {}),
            system="Report problems.",
            tools=tuple(ToolSpec(tool.name, "", tool.input_schema, read_only=tool.read_only) for tool in offered),
            repeatable=frozenset(tool.name for tool in offered if tool.read_only or tool.keyed),
            model=model,
            executor=ToolExecutor(connection, attempts=attempts),
            session_id="s1",
            task_id="t1",
            remember=remember,
            tell=events.append,
        )
        yield Desk(run, model, remembered, seen_effects, events)


def log_issue(note: str = "leak", *, number: int = 1) -> ToolUseBlock:
    return ToolUseBlock(id=f"use-{number}", name="log_issue", input={"note": note})


def asks_for(*uses: ToolUseBlock, text: str = "") -> Message:
    return Message(role="assistant", blocks=(*([TextBlock(text=text)] if text else []), *uses))
