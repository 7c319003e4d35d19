"""The whole client on our own tool server over stdio, with a model from the test."""

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from orchestrator_client.agents.registry import AgentRegistry, load_agents
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.events import Listener, TurnEvent
from orchestrator_client.models.protocol import Model
from orchestrator_client.orchestrator import Orchestrator, Turn
from orchestrator_client.sessions.store import SessionStore
from orchestrator_client.tools.connection import Target, ToolConnection, default_target
from tests.support.sample_plant import AS_OF, CLOCK, sample_plant

__all__ = ["NOWHERE", "Assistant", "assistant", "is_valid", "our_server", "rows", "seeded"]

LIMIT_S = 60.0
"""Bounds every turn; far above what any takes, so that only a hang reaches it."""

NOWHERE = Target(command=("no-such-program-here",))


@dataclass
class Assistant:
    """`events` are those of all turns in which nobody else listened."""

    orchestrator: Orchestrator
    store: SessionStore
    events: list[TurnEvent] = field(default_factory=list[TurnEvent])

    async def say(
        self, text: str, *, session: str = "s1", message_id: str | None = None, listener: Listener | None = None
    ) -> Turn:
        with anyio.fail_after(LIMIT_S):
            return await self.orchestrator.handle_message(
                session, text, message_id=message_id, listener=listener or self.events.append
            )

    async def history(self, session: str = "s1") -> list[Message]:
        return [entry.message for entry in await self.store.log(session)]


def our_server(data_dir: Path) -> Target:
    return default_target(["--data-dir", str(data_dir), "--as-of", AS_OF.isoformat()])


@asynccontextmanager
async def assistant(
    data_dir: Path,
    model: Model,
    *,
    routing_model: Model | None = None,
    agents: AgentRegistry | None = None,
    target: Target | None = None,
    patience_s: float = 30.0,
) -> AsyncGenerator[Assistant]:
    """`target` is where the tools are, by default our own server on `data_dir`; it starts when it is first needed."""
    store = await SessionStore.open(data_dir / "sessions.sqlite3", patience_s=patience_s)
    try:
        async with ToolConnection(target or our_server(data_dir)) as connection:
            orchestrator = Orchestrator(
                model=model,
                routing_model=routing_model or model,
                agents=agents or load_agents(),
                connection=connection,
                store=store,
                now=CLOCK.now,
            )
            yield Assistant(orchestrator, store)
    finally:
        await store.aclose()


async def seeded(data_dir: Path) -> None:
    """Put a copy of the sample plant there, which is much quicker than seeding one."""
    async with sample_plant(data_dir):
        pass


def rows(data_dir: Path, query: str) -> list[tuple[Any, ...]]:
    """What stands in the plant's file, read past all our code."""
    with closing(sqlite3.connect(data_dir / "plant.sqlite3")) as plant:
        return plant.execute(query).fetchall()


def is_valid(history: Sequence[Message]) -> bool:
    """Whether the Messages API would take this: the very next message answers every call, and nothing else."""
    asked: list[str] = []
    for message in history:
        if sorted(result.tool_use_id for result in message.tool_results) != sorted(asked):
            return False
        asked = [use.id for use in message.tool_uses]
    return not asked
