import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest

from mcp_server.transports import fast_front
from tests.support.stdio_host import (
    DEADLINE_S,
    META,
    REPOSITORY,
    Message,
    exit_status,
    fronted,
    initialize,
    legacy,
    modern,
    served,
    spawned,
)
from tests.support.tiny_server import GATE_VARIABLE, Plant, tiny_server

pytestmark = pytest.mark.anyio

PROBE = modern(1, "server/discover")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A FIFO on which the spawned server blocks before it imports the SDK."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def open_gate(gate: Path) -> None:
    gate.write_bytes(b"")


@pytest.mark.parametrize("request_id", [0, 7, "probe-1", "prüf"])
async def test_the_front_answers_the_probe_as_the_server_does(request_id: int | str):
    probe = modern(request_id, "server/discover")
    async with fronted() as (host, _):
        fast = await host.ask(probe)
    async with served(tiny_server(Plant())) as host:
        await host.shake_hands()
        assert await host.ask(probe) == fast


async def test_the_probe_is_answered_while_the_sdk_import_is_blocked(gate: Path):
    async with spawned({**os.environ, GATE_VARIABLE: str(gate)}) as (host, process):
        await host.send(initialize("waits"))
        fast = await host.ask(PROBE)  # the server cannot have imported anything: nobody has opened its gate
        assert fast["result"] == fast_front.discover_result()
        await anyio.to_thread.run_sync(open_gate, gate)
        assert (await host.receive())["id"] == "waits"
        assert await host.ask(PROBE) == fast
        await host.end()
        assert await exit_status(process) == 0


async def test_closing_the_pipe_ends_a_process_that_is_still_importing(gate: Path):
    async with spawned({**os.environ, GATE_VARIABLE: str(gate)}) as (host, process):
        await host.ask(PROBE)
        await host.end()
        assert await exit_status(process) == 0


def test_the_front_loads_nothing_but_the_standard_library():
    program = (
        "import sys; before = set(sys.modules); import mcp_server.transports.fast_front; "
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(loaded - sys.stdlib_module_names))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert run.stdout.split() == ["mcp_server"]


UNKNOWN_VERSION = legacy(1, "server/discover", _meta={**META, "io.modelcontextprotocol/protocolVersion": "2031-01-01"})
NO_CAPABILITIES = legacy(1, "server/discover", _meta={"io.modelcontextprotocol/protocolVersion": "2026-07-28"})


@pytest.mark.parametrize(
    "line",
    [
        UNKNOWN_VERSION,
        NO_CAPABILITIES,
        legacy(1, "server/discover"),
        modern(True, "server/discover"),
        {**PROBE, "id": None},
        {**PROBE, "jsonrpc": "1.0"},
        {**PROBE, "params": []},
        [PROBE],
        modern(1, "tools/call", name="echo", arguments={"text": "server/discover"}),
        initialize(1),
    ],
    ids=str,
)
async def test_anything_but_a_well_formed_probe_is_left_to_the_server(line: Message):
    await assert_left_to_the_server(json.dumps(line).encode())


@pytest.mark.parametrize(
    "line",
    [
        b'{"method":"server/discover"',
        b'"server/discover"' + b"[" * 50_000,
        b'{"jsonrpc":"2.0","id":"\\ud800",' + json.dumps(PROBE).encode()[26:],
        b"\xff" + json.dumps(PROBE).encode(),
        b"\xef\xbb\xbf" + json.dumps(PROBE).encode(),
        json.dumps(PROBE).encode()[:-1] + b" " * 100_000 + b"}",
    ],
    ids=["cut", "deep", "surrogate", "not-utf8", "byte-order-mark", "huge"],
)
async def test_a_broken_probe_is_left_to_the_server(line: bytes):
    await assert_left_to_the_server(line)


async def assert_left_to_the_server(line: bytes) -> None:
    async with fronted() as (host, front):
        await host.send(line)
        await host.ask(PROBE)  # lines are judged in order, so the one before has been judged too
        assert front.attach(lambda _: None) == [line]


async def test_lines_come_whole_and_in_order_however_they_are_cut():
    sent = [b"one", b'{"two": 2}', b"x" * 300_000, b"last"]
    wire = sent[0] + b"\r\n\n  \n" + sent[1] + b"\n" + sent[2] + b"\r\n" + sent[3]
    async with fronted() as (host, front):
        received: list[bytes] = []
        ended = anyio.Event()
        token = anyio.lowlevel.current_token()

        def deliver(batch: list[bytes]) -> None:
            received.extend(batch)
            if not batch:
                anyio.from_thread.run_sync(ended.set, token=token)

        received += front.attach(deliver)
        for start in range(40):
            await host.stream.send(wire[start : start + 1])
        await host.stream.send(wire[40:])
        await host.end()
        with anyio.fail_after(DEADLINE_S):
            await ended.wait()
        assert received == sent


async def test_the_end_of_an_oversized_line_is_dropped_so_that_it_cannot_parse():
    async with fronted() as (host, front):
        await host.send(b'{"text": "' + b"x" * (fast_front.MAX_LINE_BYTES + 1_000_000) + b'"}')
        await host.ask(PROBE)
        [line] = front.attach(lambda _: None)
        assert len(line) < fast_front.MAX_LINE_BYTES + 100_000
        with pytest.raises(ValueError, match="Unterminated string"):
            json.loads(line)


async def test_a_host_that_reads_late_gets_every_line_whole():
    async with fronted() as (host, front):
        written = anyio.Event()
        token = anyio.lowlevel.current_token()
        long_line = b'"' + b"y" * 1_000_000 + b'"\n'
        front.write(long_line, lambda _: None)
        await host.send(*[modern(n, "server/discover") for n in range(50)])
        front.write(b'"end"\n', lambda _: anyio.from_thread.run_sync(written.set, token=token))
        assert await host.receive() == "y" * 1_000_000
        replies = [await host.receive() for _ in range(51)]
        assert [r["id"] for r in replies if r != "end"] == list(range(50))
        with anyio.fail_after(DEADLINE_S):
            await written.wait()
