"""One turn in a process of its own that kills itself at a given point.

python -m tests.support.turn_process DATA_DIR SESSION MESSAGE POINT
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import anyio

from orchestrator_client.agents.registry import load_agents
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.usage import CallUsage
from orchestrator_client.models.scripted import ScriptedModel, call, reply, route
from orchestrator_client.orchestrator import Orchestrator
from orchestrator_client.sessions.store import SessionStore, StoredTurn
from orchestrator_client.tools.connection import ToolConnection
from tests.support.assistant import our_server
from tests.support.sample_plant import report

Point = Literal["begun", "opened", "called", "effect", "ended"]
POINTS: tuple[Point, ...] = get_args(Point)
"""Before the first step; after it; after the call was stored, before it is made; after its effect, before its answer is
stored; after everything, before the turn is ended."""

SCRIPT = [
    route("issue_tracking"),
    call("log_issue", report(), id="toolu_write"),
    reply("It is reported.\n[TASK_COMPLETE]"),
]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingStore(SessionStore):
    """A store in a process that is killed at `point`."""

    point: Point

    async def step(
        self,
        turn: StoredTurn,
        *,
        task_id: str,
        messages: Sequence[Message],
        state: SessionState | None = None,
        usage: Sequence[tuple[str, CallUsage]] = (),
    ) -> None:
        opens = any(message.kind == "person" for message in messages)
        calls = any(message.tool_uses for message in messages)
        answers = any(message.tool_results for message in messages)
        if (self.point == "begun" and opens) or (self.point == "effect" and answers):
            die()
        await super().step(turn, task_id=task_id, messages=messages, state=state, usage=usage)
        if (self.point == "opened" and opens) or (self.point == "called" and calls):
            die()

    async def finish_turn(self, *_turn: object, **_result: object) -> None:
        die()


async def main(data_dir: str, session: str, message: str, point: Point) -> None:
    store = await DyingStore.open(Path(data_dir) / "sessions.sqlite3")
    store.point = point
    model = ScriptedModel(SCRIPT)
    async with ToolConnection(our_server(Path(data_dir))) as connection:
        orchestrator = Orchestrator(
            model=model, routing_model=model, agents=load_agents(), connection=connection, store=store
        )
        await orchestrator.handle_message(session, message, message_id="m1")


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
