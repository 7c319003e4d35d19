"""The command line of the server: `shopfloor-mcp serve | tools | call | schemas | seed | backend check | version`.

Data goes to stdout, everything else to stderr.
"""

import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from difflib import get_close_matches
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_server import identity
from mcp_server.commands import backend as backend_command
from mcp_server.commands.seed import seed
from mcp_server.errors import ToolFailure
from mcp_server.invocation import (
    FAILED,
    AsJson,
    AsOf,
    BackendOption,
    DataDir,
    ExcludeTools,
    OnlyTools,
    ReadOnly,
    Toolsets,
    arguments_from,
    ask,
    offered_tools,
    run,
    settings_from,
    wrong_usage,
)
from mcp_server.terminal import remark, show_answer, show_failure, show_json, show_table

if TYPE_CHECKING:
    import mcp_types

    from mcp_server.pipeline.declaration import Tool
    from mcp_server.settings import Settings

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, at less than half the start-up time
    help="Validated manufacturing tools over the Model Context Protocol.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(backend_command.app, name="backend")


class Transport(StrEnum):
    STDIO = "stdio"
    HTTP = "http"


@app.command()
def serve(
    *,
    transport: Annotated[Transport, typer.Option(help="How hosts connect.")] = Transport.STDIO,
    host: Annotated[str, typer.Option(help="Loopback address to listen on (http).")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on (http); 0 takes a free one.")] = 8000,
    toolsets: Toolsets = None,
    tools: OnlyTools = None,
    exclude_tools: ExcludeTools = None,
    read_only: ReadOnly = False,
    backend: BackendOption = None,
    data_dir: DataDir = None,
    as_of: AsOf = None,
) -> None:
    """Serve the tools to a host, over stdio or HTTP.

    HTTP is Streamable HTTP at /mcp, on loopback only. Toolsets are core, quality,
    maintenance, procedures and issues; most work needs core. What is not offered
    cannot be called either, nor read as a resource.
    """
    settings = settings_from(
        backend=backend,
        data_dir=data_dir,
        as_of=as_of,
        toolsets=toolsets,
        tools=tools,
        exclude_tools=exclude_tools,
        read_only=read_only,
    )
    offered = offered_tools(settings)

    async def main() -> None:
        from mcp_server.app import build_server
        from mcp_server.backends.opening import open_backend
        from mcp_server.clock import Clock

        clock = Clock(settings.as_of)
        async with aclosing(await open_backend(settings, clock)) as plant:
            server = build_server(plant, clock, offered)
            if transport is Transport.STDIO:
                from mcp_server.transports.stdio import serve_stdio

                await serve_stdio(server)
            else:
                from mcp_server.transports.http import serve_http

                await serve_http(server, host=host, port=port, task_status=_Announcement())

    run(main)


@app.command()
def tools(
    *,
    toolsets: Toolsets = None,
    tools: OnlyTools = None,
    exclude_tools: ExcludeTools = None,
    read_only: ReadOnly = False,
    as_json: AsJson = False,
) -> None:
    """List the tools, or print them as hosts receive them (--json)."""
    settings = settings_from(toolsets=toolsets, tools=tools, exclude_tools=exclude_tools, read_only=read_only)
    offered = offered_tools(settings)
    if as_json:
        from mcp_server.app import published_tools

        show_json({"tools": [_wire(tool) for tool in published_tools(offered)]})
    else:
        show_table(("tool", "effect", "what it does"), _by_toolset(offered))
        writing = sum(tool.writes for tool in offered)
        remark(f"{len(offered)} tools: {len(offered) - writing} read, {writing} write.")


@app.command()
def call(
    tool: Annotated[str, typer.Argument(help="Name of the tool; see `shopfloor-mcp tools`.")],
    arguments: Annotated[str, typer.Argument(help="Arguments as a JSON object, or - to read it from stdin.")] = "{}",
    *,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Key of a write: the same key never takes effect twice.", show_default=False)
    ] = None,
    toolsets: Toolsets = None,
    tools: OnlyTools = None,
    exclude_tools: ExcludeTools = None,
    read_only: ReadOnly = False,
    as_json: AsJson = False,
    backend: BackendOption = None,
    data_dir: DataDir = None,
    as_of: AsOf = None,
) -> None:
    """Call one tool without any host.

    The call passes every check a host's call passes. Where it needs a person's
    confirmation, a terminal asks; otherwise the command that confirms is shown.
    """
    given = arguments_from(arguments)
    settings = settings_from(
        backend=backend,
        data_dir=data_dir,
        as_of=as_of,
        toolsets=toolsets,
        tools=tools,
        exclude_tools=exclude_tools,
        read_only=read_only,
    )
    declared = _named(tool, offered_tools(settings))
    answer = _called(declared, given, idempotency_key, settings)
    if (code := _code_to_confirm(answer)) and not as_json and sys.stdin.isatty():
        ask(f"{answer['error']['message']} Do you confirm this?")
        answer = _called(declared, given | {"confirmation": code}, idempotency_key, settings)
    refused = answer.get("error")
    if as_json:
        show_json(answer)
    elif refused:
        show_failure(refused)
        if code := _code_to_confirm(answer):
            hidden = " (with the same --backend)" if backend is not None and "@" in backend else ""
            remark(f"To confirm it{hidden}:")
            options = {
                "--idempotency-key": idempotency_key,
                "--backend": None if backend is None or "@" in backend else backend,
                "--data-dir": data_dir,
                "--as-of": as_of and as_of.date(),
            }
            remark(_command(declared, given | {"confirmation": code}, options))
    else:
        show_answer(answer)
    if refused:
        raise typer.Exit(FAILED)


@app.command()
def schemas(
    *,
    check: Annotated[bool, typer.Option("--check", help="Compare only; exit 1 if they differ.")] = False,
    directory: Annotated[Path | None, typer.Option(help="Where they are kept.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Write or compare (--check) the published schemas.

    There is one file a tool in schemas/tools/: exactly what hosts receive.
    schemas/backend.schema.json is for the description of a REST system.
    """
    from mcp_server.app import published_tools
    from mcp_server.backends.described.schema import description_schema
    from mcp_server.bundled import schemas_dir
    from mcp_server.published import compare_schemas, write_schemas
    from mcp_server.tools import ALL_TOOLS

    folder = directory or schemas_dir()
    wanted = {tool.name: _wire(tool) for tool in published_tools(ALL_TOOLS)}
    files = {"backend.schema.json": description_schema()}
    changed = [] if check else write_schemas(folder, wanted, files)
    differences = compare_schemas(folder, wanted, files)
    if as_json:
        show_json(
            {"schemas": len(wanted) + len(files), "folder": str(folder), "changed": changed, "differences": differences}
        )
    elif check:
        typer.echo("\n".join(differences) or f"{len(wanted) + len(files)} schemas are up to date.")
    else:
        typer.echo(f"{len(wanted) + len(files)} schemas in {folder}, {len(changed)} changed.")
    if differences:
        remark("Run `shopfloor-mcp schemas` and review the change: hosts and clients rely on it.")
        raise typer.Exit(FAILED)


app.command()(seed)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(identity.VERSION)


class _Announcement:
    """Tells the person who started an HTTP server where it is."""

    def started(self, value: str | None = None) -> None:
        remark(f"Serving MCP at {value}. Stop with Ctrl+C.")


def _named(name: str, offered: "tuple[Tool[Any, Any, Any], ...]") -> "Tool[Any, Any, Any]":
    by_name = {tool.name: tool for tool in offered}
    if name not in by_name:
        close = get_close_matches(name, by_name, n=3)
        wrong_usage(
            f"There is no tool {name!r}.",
            f"Did you mean {' or '.join(close)}?" if close else "See `shopfloor-mcp tools`.",
        )
    return by_name[name]


def _called(
    tool: "Tool[Any, Any, Any]", given: Mapping[str, Any], key: str | None, settings: "Settings"
) -> dict[str, Any]:
    """The answer, or the error object of a call that was refused."""

    async def main() -> dict[str, Any]:
        from mcp_server.backends.opening import open_backend
        from mcp_server.clock import Clock
        from mcp_server.pipeline.call import Pipeline
        from mcp_server.pipeline.declaration import Caller

        try:
            clock = Clock(settings.as_of)
            async with aclosing(await open_backend(settings, clock)) as plant:
                return await Pipeline(plant, clock).call(tool, given, Caller(idempotency_key=key))
        except ToolFailure as failure:
            return failure.as_json()

    return run(main)


def _code_to_confirm(answer: Mapping[str, Any]) -> str | None:
    error = answer.get("error", {})
    return error["alternatives"][0] if error.get("code") == "confirmation_required" else None


def _command(tool: "Tool[Any, Any, Any]", given: Mapping[str, Any], options: Mapping[str, object]) -> str:
    shown = [part for name, value in options.items() if value is not None for part in (name, str(value))]
    return shlex.join(["shopfloor-mcp", "call", tool.name, json.dumps(given, separators=(",", ":")), *shown])


def _by_toolset(tools: "tuple[Tool[Any, Any, Any], ...]") -> Iterator[tuple[str, str, str]]:
    """Rows of a table: each toolset, and under it its tools."""
    from mcp_server.surface.selection import TOOLSETS

    ordered = sorted(tools, key=lambda tool: (TOOLSETS.index(tool.toolset), tool.name))
    for toolset, group in groupby(ordered, key=lambda tool: tool.toolset):
        yield toolset, "", ""
        for tool in group:
            yield f"  {tool.name}", "writes" if tool.writes else "reads", _first_sentence(tool)


def _first_sentence(tool: "Tool[Any, Any, Any]") -> str:
    return " ".join(tool.description.split()).partition(". ")[0].removesuffix(".")


def _wire(tool: "mcp_types.Tool") -> dict[str, Any]:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)
