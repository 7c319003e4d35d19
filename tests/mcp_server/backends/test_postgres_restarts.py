"""Two servers on one PostgreSQL, many clients, and a database that crashes while they write: 0 lost, 0 doubled."""

import csv
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx2
import pytest

from mcp_server.bundled import sample_plant_dir
from mcp_server.pipeline.idempotency import META_KEY
from tests.support.plants import free_port
from tests.support.postgres import PASSWORD, PASSWORD_IN_URL, Cluster, rows_of
from tests.support.stdio_host import META, REPOSITORY, legacy

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

CLIENTS = 50
WRITES = 6
"""Of each client."""
RESTARTS = 3
DEADLINE_S = 200.0
with (sample_plant_dir() / "machines.csv").open(newline="") as _machines:
    PLACES = [
        {"project": row["project"], "machine_id": row["machine_id"]}
        for row in csv.DictReader(_machines)
        if row["project"] != "SHARED" and row["status"] == "running"
    ]
"""Each client writes about its own machine, so that the search for like issues stays short."""
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "log_issue",
}


@dataclass
class Progress:
    """What the clients were told, by key. `due` is set when a restart is, and `over` when it has ended."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    due: tuple[anyio.Event, ...] = field(default_factory=lambda: tuple(anyio.Event() for _ in range(RESTARTS)))
    over: tuple[anyio.Event, ...] = field(default_factory=lambda: tuple(anyio.Event() for _ in range(RESTARTS)))

    def note(self, key: str, record_id: str) -> None:
        self.acknowledged[key] = record_id
        fifths = len(self.acknowledged) * 5 // (CLIENTS * WRITES)
        for event in self.due[: max(fifths - 1, 0)]:
            event.set()

    async def settled(self) -> None:
        """Wait until no restart is under way."""
        for due, over in zip(self.due, self.over, strict=True):
            if due.is_set():
                await over.wait()


@asynccontextmanager
async def serving(url: str, folder: Path) -> AsyncIterator[str]:
    """`shopfloor-mcp serve` in a process of its own; what it says goes to a file in `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "mcp_server", "serve", "--transport", "http", "--port", str(port)]
    environment = {**os.environ, "SHOPFLOOR_BACKEND": url, "SHOPFLOOR_DATA_DIR": str(folder)}
    with (folder / f"said-{port}").open("w") as said:
        process = await anyio.open_process(command, cwd=REPOSITORY, env=environment, stdout=said, stderr=said)
    try:
        while process.returncode is None:
            try:
                async with await anyio.connect_tcp("127.0.0.1", port):
                    break
            except OSError:
                await anyio.lowlevel.checkpoint()
        assert process.returncode is None, (folder / f"said-{port}").read_text()
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        if process.returncode is None:
            process.terminate()
        with anyio.CancelScope(shield=True):
            await process.wait()


async def write_all(number: int, servers: list[str], progress: Progress) -> None:
    """Every write is repeated with its key, on the other server each time, until it is acknowledged."""
    async with httpx2.AsyncClient(headers=HEADERS, trust_env=False, timeout=60) as client:
        for count in range(WRITES):
            key = f"client-{number:02}-write-{count:02}"
            tries = number
            while key not in progress.acknowledged:
                tries += 1
                answer = await ask(client, servers[tries % len(servers)], key, PLACES[number % len(PLACES)])
                if "error" in answer:
                    assert answer["error"]["retryable"], answer
                    progress.refused += 1
                    await progress.settled()
                    await anyio.sleep(answer["error"].get("retry_after_s", 0))  # as it was told
                else:
                    progress.note(key, answer["record"]["id"])


async def ask(client: httpx2.AsyncClient, server: str, key: str, place: dict[str, str]) -> dict:
    issue = {
        **place,
        "title": f"Burr found by {key}",
        "description": "Found at the wash.",
        "category": "quality",
        "detected_by": "M. Novak",
        "force_new": True,
    }
    call = legacy(1, "tools/call", name="log_issue", arguments=issue, _meta={**META, META_KEY: key})
    return (await client.post(server, json=call)).json()["result"]["structuredContent"]


async def restart_as_due(cluster: Cluster, progress: Progress) -> None:
    for due, over in zip(progress.due, progress.over, strict=True):
        await due.wait()
        await anyio.to_thread.run_sync(cluster.restart)
        over.set()


async def test_a_database_that_crashes_while_two_servers_write_loses_and_doubles_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    url = cluster.url(await anyio.to_thread.run_sync(cluster.new_database))
    progress = Progress()
    with anyio.fail_after(DEADLINE_S):
        async with AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(serving(url, tmp_path)) for _ in range(2)]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(restart_as_due, cluster, progress)
                for number in range(CLIENTS):
                    tasks.start_soon(write_all, number, servers, progress)
    keys = {f"client-{number:02}-write-{count:02}" for number in range(CLIENTS) for count in range(WRITES)}
    assert progress.acknowledged.keys() == keys
    assert progress.refused > 0, "no restart was noticed"
    issues = await rows_of(url, "SELECT id, title FROM issues WHERE title LIKE 'Burr found by client-%' ORDER BY id")
    audited = await rows_of(url, "SELECT idempotency_key, record_id FROM audit_log WHERE outcome = 'created'")
    stored = await rows_of(url, "SELECT key FROM idempotency_keys")
    assert sorted((row["title"], row["id"]) for row in issues) == sorted(
        (f"Burr found by {key}", record_id) for key, record_id in progress.acknowledged.items()
    )
    assert sorted((row["idempotency_key"], row["record_id"]) for row in audited) == sorted(
        progress.acknowledged.items()
    )
    assert sorted(row["key"] for row in stored) == sorted(keys)
    said = "".join(file.read_text() for file in tmp_path.glob("said-*"))  # noqa: ASYNC240 - nothing else is under way
    assert PASSWORD not in said
    assert PASSWORD_IN_URL not in said
