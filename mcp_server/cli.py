"""The command line of the server: `shopfloor-mcp serve | tools | call | schemas | seed | version`.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from mcp_server import identity
from mcp_server.errors import ConfigurationError, ToolFailure
from mcp_server.terminal import remark, show_answer, show_failure, show_json, show_table

if TYPE_CHECKING:
    import mcp_types

    from mcp_server.settings import Settings

__all__ = ["app"]

T = TypeVar("T")

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, at less than half the start-up time
    help="Validated manufacturing tools over the Model Context Protocol.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Transport(StrEnum):
    STDIO = "stdio"
    HTTP = "http"


DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the plant's database [env: SHOPFLOOR_DATA_DIR].", show_default=False),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        metavar="YYYY-MM-DD",
        help="Hold the plant's day at this date [env: SHOPFLOOR_AS_OF].",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@app.command()
def serve(
    *,
    transport: Annotated[Transport, typer.Option(help="How hosts connect.")] = Transport.STDIO,
    host: Annotated[str, typer.Option(help="Loopback address to listen on (http).")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on (http); 0 takes a free one.")] = 8000,
    data_dir: DataDir = None,
    as_of: AsOf = None,
) -> None:
    """Serve the tools to a host, over stdio or HTTP.

    HTTP is Streamable HTTP at /mcp, on loopback only.
    """
    settings = _settings(data_dir, as_of)

    async def run() -> None:
        from mcp_server.app import build_server
        from mcp_server.backends.opening import open_backend
        from mcp_server.clock import Clock

        clock = Clock(settings.as_of)
        backend = await open_backend(settings, clock)
        async with aclosing(backend):
            server = build_server(backend, clock)
            if transport is Transport.STDIO:
                from mcp_server.transports.stdio import serve_stdio

                await serve_stdio(server)
            else:
                from mcp_server.transports.http import serve_http

                await serve_http(server, host=host, port=port, task_status=_Announcement())

    _run(run)


@app.command()
def tools(*, as_json: AsJson = False) -> None:
    """List the tools, or print them as hosts receive them (--json)."""
    from mcp_server.app import published_tools
    from mcp_server.tools import ALL_TOOLS

    if as_json:
        show_json({"tools": [_wire(tool) for tool in published_tools(ALL_TOOLS)]})
        return
    rows = [(tool.name, tool.toolset, tool.effect, tool.description.splitlines()[0]) for tool in ALL_TOOLS]
    show_table(("tool", "toolset", "effect", "what it does"), sorted(rows, key=lambda row: (row[1], row[0])))


@app.command()
def call(
    tool: Annotated[str, typer.Argument(help="Name of the tool; see `shopfloor-mcp tools`.")],
    arguments: Annotated[str, typer.Argument(help="Arguments as a JSON object, or - to read it from stdin.")] = "{}",
    *,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Key of a write: the same key never takes effect twice.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    as_of: AsOf = None,
) -> None:
    """Call one tool without any host.

    The call passes every check a host's call passes.
    """
    given = _arguments(arguments)
    from mcp_server.tools import ALL_TOOLS

    by_name = {known.name: known for known in ALL_TOOLS}
    if tool not in by_name:
        close = get_close_matches(tool, by_name, n=3)
        _wrong_usage(
            f"There is no tool {tool!r}.",
            f"Did you mean {' or '.join(close)}?" if close else "See `shopfloor-mcp tools`.",
        )
    settings = _settings(data_dir, as_of)

    async def run() -> dict[str, Any]:
        from mcp_server.backends.opening import open_backend
        from mcp_server.clock import Clock
        from mcp_server.pipeline.call import Pipeline
        from mcp_server.pipeline.declaration import Caller

        try:
            clock = Clock(settings.as_of)
            backend = await open_backend(settings, clock)
            async with aclosing(backend):
                return await Pipeline(backend, clock).call(
                    by_name[tool], given, Caller(idempotency_key=idempotency_key)
                )
        except ToolFailure as failure:
            return failure.as_json()

    answer = _run(run)
    refused = answer.get("error")
    if as_json:
        show_json(answer)
    elif refused:
        show_failure(refused)
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
    """
    from mcp_server.app import published_tools
    from mcp_server.bundled import schemas_dir
    from mcp_server.published import compare_schemas, write_schemas
    from mcp_server.tools import ALL_TOOLS

    folder = directory or schemas_dir()
    wanted = {tool.name: _wire(tool) for tool in published_tools(ALL_TOOLS)}
    changed = [] if check else write_schemas(folder, wanted)
    differences = compare_schemas(folder, wanted)
    if as_json:
        show_json({"schemas": len(wanted), "folder": str(folder), "changed": changed, "differences": differences})
    elif check:
        typer.echo("\n".join(differences) or f"{len(wanted)} schemas are up to date.")
    else:
        typer.echo(f"{len(wanted)} schemas in {folder}, {len(changed)} changed.")
    if differences:
        remark("Run `shopfloor-mcp schemas` and review the change: hosts and clients rely on it.")
        raise typer.Exit(FAILED)


@app.command()
def seed(
    *,
    erase: Annotated[bool, typer.Option("--erase", help="Delete everything in the database first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    as_of: AsOf = None,
) -> None:
    """Fill an empty database with the sample plant. `serve` and `call` do it on first use."""
    settings = _settings(data_dir, as_of)
    if erase and not yes:
        _confirm(f"Delete every record in {settings.data_dir}?")

    async def run() -> dict[str, int] | None:
        from mcp_server.backends.sql.provision import reseed
        from mcp_server.bundled import sample_plant_dir
        from mcp_server.clock import Clock

        today = Clock(settings.as_of).today()
        return await reseed(settings.data_dir, sample_plant=sample_plant_dir(), as_of=today, erase=erase)

    counts = _run(run)
    if as_json:
        show_json({"seeded": counts is not None, "data_dir": str(settings.data_dir), "records": counts or {}})
    elif counts is None:
        remark(f"{settings.data_dir} holds a plant already; nothing was changed. Use --erase to start over.")
    else:
        for table, count in counts.items():
            typer.echo(f"{count:6d} {table}")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(identity.VERSION)


class _Announcement:
    """Tells the person who started an HTTP server where it is."""

    def started(self, value: str | None = None) -> None:
        remark(f"Serving MCP at {value}. Stop with Ctrl+C.")


def _settings(data_dir: Path | None, as_of: datetime | None) -> "Settings":
    from pydantic import ValidationError

    from mcp_server.logs import configure_logs
    from mcp_server.settings import Settings

    options: dict[str, Any] = {"data_dir": data_dir, "as_of": as_of.date() if as_of else None}
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        wrong = ", ".join(f"SHOPFLOOR_{str(problem['loc'][0]).upper()}: {problem['msg']}" for problem in error.errors())
        _wrong_usage(f"A setting is wrong. {wrong}.", "Correct it and start again.")
    configure_logs(settings.log_level, settings.log_format)
    return settings


def _run(main: Callable[[], Awaitable[T]]) -> T:
    import anyio

    try:
        return anyio.run(main)
    except ToolFailure as failure:
        remark(f"error: {failure.message} {failure.suggestion}")
        raise typer.Exit(FAILED) from None
    except (ConfigurationError, OSError, ValueError) as error:
        remark(f"error: {error}")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _confirm(question: str) -> None:
    typer.echo(f"{question} [y/N] ", nl=False, err=True)
    if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
        remark("Nothing was changed.")
        raise typer.Exit(FAILED)


def _arguments(text: str) -> dict[str, Any]:
    try:
        given = json.loads(sys.stdin.read() if text == "-" else text)
    except (ValueError, RecursionError) as error:
        _wrong_usage(f"The arguments are not JSON: {error}.", """Quote them for your shell: '{"project":"ALPHA"}'""")
    if not isinstance(given, dict):
        _wrong_usage("The arguments must be a JSON object.", """For example: '{"project":"ALPHA"}'""")
    return given  # pyright: ignore[reportUnknownVariableType] - JSON, checked by the pipeline


def _wrong_usage(message: str, suggestion: str) -> NoReturn:
    remark(f"error: {message} {suggestion}")
    raise typer.Exit(WRONG_USAGE)


def _wire(tool: "mcp_types.Tool") -> dict[str, Any]:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)
