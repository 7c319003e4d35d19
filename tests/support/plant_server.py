"""A small MCP server whose faults are ordered by its arguments; run it over stdio, or with `--http PORT`.

What it did outlives it in the directory `PLANT_LEDGER`: `effects` has one line a write, the other files count tries.
"""

import argparse
import os
import signal
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
import uvicorn
from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import INVALID_PARAMS, METHOD_NOT_FOUND, CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

KEY = "io.shopfloor/idempotency-key"
READ = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITE = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True)
PAGE = 3


class Machines(BaseModel):
    machine_ids: list[str]


class Issue(BaseModel):
    issue_id: str
    replayed: bool = False


class Count(BaseModel):
    tries: int


class Key(BaseModel):
    key: str | None


def ledger(name: str) -> Path:
    return Path(os.environ["PLANT_LEDGER"]) / name


def append(name: str, line: str) -> int:
    """Add a line to a file of the ledger; returns how many it has."""
    with ledger(name).open("a") as file:
        file.write(f"{line}\n")
    return len(ledger(name).read_text().splitlines())


def key_of(ctx: Context) -> str | None:
    return (ctx.request_context.meta or {}).get(KEY)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def failed(**error: Any) -> CallToolResult:
    found = {"error": error}
    text = TextContent(type="text", text=str(error["message"]))
    return CallToolResult(content=[text], structured_content=found, is_error=True)


async def in_pages(ctx: Any, call_next: Any) -> Any:
    """Cut the list of tools into pages."""
    result = await call_next(ctx)
    if ctx.method == "tools/list":
        start = int((ctx.params or {}).get("cursor") or 0)
        rest = result["tools"][start + PAGE :]
        result = result | {"tools": result["tools"][start : start + PAGE]}
        if rest:
            result["nextCursor"] = str(start + PAGE)
    return result


async def lying(ctx: Any, call_next: Any) -> Any:
    """Answer with what the output schema forbids; the SDK's server would not let a tool do it."""
    result = await call_next(ctx)
    if ctx.method == "tools/call" and ctx.params["name"].startswith("lying"):
        text = TextContent(type="text", text="ok")
        return CallToolResult(content=[text], structured_content={"tries": "secret-not-a-number"})
    return result


async def strict(ctx: Any, call_next: Any) -> Any:
    """Refuse an unknown tool as the specification wants it; the SDK's server answers with an error result."""
    if ctx.method == "tools/call" and ctx.params["name"] == "absent":
        raise MCPError(code=INVALID_PARAMS, message="Unknown tool: absent")
    return await call_next(ctx)


async def older(ctx: Any, call_next: Any) -> Any:
    """Behave as a server of before 2026, with sessions."""
    if ctx.method == "server/discover":
        raise MCPError(code=METHOD_NOT_FOUND, message="Method not found")
    return await call_next(ctx)


async def get_machines(
    line: Literal["A", "B"] | None = None, limit: Annotated[int, Field(ge=1, le=10)] = 2
) -> Machines:
    return Machines(machine_ids=[f"{line or 'X'}-{number}" for number in range(limit)])


async def log_issue(ctx: Context, note: str, crash: Literal["no", "before", "after"] = "no") -> Issue:
    """Store an issue once per key; `crash` kills the server once, before or after the effect."""
    key = key_of(ctx)
    seen = ledger("effects").read_text().splitlines() if ledger("effects").exists() else []
    for number, line in enumerate(seen, 1):
        if key and line == f"{key} {note}":
            return Issue(issue_id=f"I-{number}", replayed=True)
    if crash == "before" and append(f"crash-{note}", "now") == 1:
        die()
    number = append("effects", f"{key} {note}")
    if crash == "after" and append(f"crash-{note}", "now") == 1:
        die()
    return Issue(issue_id=f"I-{number}")


async def refuse(machine_id: str) -> Annotated[CallToolResult, Machines]:
    return failed(
        code="not_found",
        message=f"No machine {machine_id}.",
        field="machine_id",
        suggestion="Use a machine of this plant.",
        alternatives=["CNC-03"],
        retryable=False,
        outcome_known=True,
    )


async def busy(
    failures: int, retry_after_s: float | None = None, outcome_known: bool = True
) -> Annotated[CallToolResult, Count]:
    """Fail the first tries with a retryable error."""
    tries = append("busy", "try")
    if tries <= failures:
        return failed(
            code="backend_unavailable",
            message="Busy.",
            retryable=True,
            outcome_known=outcome_known,
            retry_after_s=retry_after_s,
        )
    text = TextContent(type="text", text="Done.")
    return CallToolResult(content=[text], structured_content={"tries": tries})


async def complain() -> Machines:
    raise ToolError("The tank is empty.")


async def lying_read() -> Count:
    return Count(tries=1)


async def lying_write() -> Count:
    return Count(tries=1)


async def key_seen(ctx: Context) -> Key:
    return Key(key=key_of(ctx))


async def process_id() -> Count:
    return Count(tries=os.getpid())


async def hold(port: int) -> Machines:
    """Report to a port of this machine, then answer when it says so."""
    append("held", "started")
    try:
        async with await anyio.connect_tcp("127.0.0.1", port) as gate:
            await gate.receive()
    except anyio.get_cancelled_exc_class():
        append("held", "cancelled")
        raise
    return Machines(machine_ids=["held"])


async def unannotated() -> str:
    return "x" * 2_000_000


TOOLS = [
    (get_machines, "List machines", READ),
    (log_issue, None, WRITE),
    (refuse, None, READ),
    (busy, None, WRITE),
    (complain, None, READ),
    (lying_read, None, READ),
    (lying_write, None, WRITE),
    (key_seen, None, READ),
    (process_id, None, READ),
    (hold, None, READ),
    (unannotated, None, None),
]


def build(*, legacy: bool) -> MCPServer:
    mcp = MCPServer("plant", log_level="ERROR", middleware=[strict, in_pages, lying, *([older] if legacy else [])])
    for function, title, hints in TOOLS:
        mcp.add_tool(function, title=title, annotations=hints)
    return mcp


async def serve_http(mcp: MCPServer, port: int) -> None:
    """Print the port once connections are accepted."""
    listener = socket.create_server(("127.0.0.1", port))
    print(listener.getsockname()[1], flush=True)  # noqa: T201  # how the test learns the port
    config = uvicorn.Config(mcp.streamable_http_app(), log_level="error")
    await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int)
    parser.add_argument("--legacy", action="store_true")
    options = parser.parse_args()
    mcp = build(legacy=options.legacy)
    if options.http is None:
        mcp.run()
    else:
        anyio.run(serve_http, mcp, options.http)


if __name__ == "__main__":
    main()
