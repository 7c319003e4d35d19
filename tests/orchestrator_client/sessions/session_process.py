"""A process of its own that works on a session store: `python session_process.py FILE SESSION hold|write`."""

import sys
from pathlib import Path

import anyio

from orchestrator_client.dialogue.messages import note, user
from orchestrator_client.sessions.store import SessionStore


async def hold(store: SessionStore, session_id: str) -> None:
    """Hold the session until killed."""
    async with store.alone(session_id):
        print("held", flush=True)  # noqa: T201 - how the test learns of it
        await anyio.sleep_forever()


async def write(store: SessionStore, session_id: str) -> None:
    """Thirty turns, each said to be done only once it is stored."""
    for number in range(30):
        async with store.alone(session_id):
            turn = await store.begin_turn(session_id, f"{session_id}-{number}", "hello")
            await store.step(turn, task_id="t", messages=[user("hello"), note("noted")])
            await store.finish_turn(turn, state=await store.state(session_id), result={"number": number})
        print(number, flush=True)  # noqa: T201 - as above


async def main(path: str, session_id: str, what: str) -> None:
    store = await SessionStore.open(Path(path))
    try:
        await store.create(session_id)
        await (hold if what == "hold" else write)(store, session_id)
    finally:
        await store.aclose()


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
