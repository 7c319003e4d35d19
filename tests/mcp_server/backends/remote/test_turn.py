import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from mcp_server.backends.remote.turn import Turn
from mcp_server.errors import BackendUnavailable

pytestmark = pytest.mark.anyio

HOLDS = """
import anyio, pathlib, sys
from mcp_server.backends.remote.turn import Turn

async def hold():
    async with Turn(pathlib.Path(sys.argv[1])).taken():
        print("taken", flush=True)
        sys.stdin.readline()

anyio.run(hold)
"""


@contextmanager
def another_process(path: Path) -> Generator[subprocess.Popen[str]]:
    """It has the turn until it is told something."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "taken\n"
            yield process
        finally:
            process.kill()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go on\n")
    process.stdin.flush()


@pytest.mark.parametrize("end", ["lets go", "is killed"])
async def test_one_process_waits_for_the_other_until_that_is_done_or_dead(tmp_path: Path, end: str):
    path = tmp_path / "a.turn"
    with another_process(path) as other:
        with anyio.move_on_after(0.1) as waiting:
            async with Turn(path).taken():
                raise AssertionError("two have the turn")
        assert waiting.cancelled_caught
        if end == "lets go":
            let_go(other)
        else:
            other.kill()
        with anyio.fail_after(10):
            async with Turn(path).taken():
                await to_thread.run_sync(other.wait)


async def test_tasks_of_one_process_go_one_after_the_other_whichever_turn_they_hold(tmp_path: Path):
    inside, most = 0, 0
    turns = [Turn(tmp_path / "a.turn"), Turn(tmp_path / "a.turn")]

    async def work(turn: Turn) -> None:
        nonlocal inside, most
        async with turn.taken():
            inside += 1
            most = max(most, inside)
            await anyio.lowlevel.checkpoint()
            inside -= 1

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(work, turns[number % 2])
    assert most == 1


async def test_a_block_that_fails_and_a_wait_that_is_cancelled_leave_nothing_behind(tmp_path: Path):
    turn = Turn(tmp_path / "a.turn")

    async def fails() -> None:
        async with turn.taken():
            with anyio.move_on_after(0.05) as waiting:
                async with anyio.create_task_group() as group:
                    group.start_soon(waits)
            assert waiting.cancelled_caught
            raise KeyError

    async def waits() -> None:
        async with turn.taken():
            raise AssertionError("two have the turn")

    with pytest.raises(KeyError):
        await fails()
    with anyio.fail_after(5):
        async with turn.taken(), Turn(tmp_path / "b.turn").taken():
            pass


async def test_a_lock_file_that_cannot_be_made_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendUnavailable, match="cannot be locked") as raised:
        async with Turn(tmp_path / "file" / "a.turn").taken():
            raise AssertionError("there is no lock")
    assert "permissions" in raised.value.suggestion
