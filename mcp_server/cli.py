"""The command line of the server: `shopfloor-mcp serve | tools | call | schemas | seed`.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from mcp_server import identity
from mcp_server.errors import ConfigurationError
from mcp_server.settings import Settings

__all__ = ["app"]

T = TypeVar("T")

FAILED = 1
WRONG_USAGE = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
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
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Hold the plant's day at this date.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def serve(
    transport: Annotated[Transport, typer.Option(help="How hosts connect.")] = Transport.STDIO,
    host: Annotated[str, typer.Option(help="Loopback address to listen on (http).")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on (http).")] = 8000,
    data_dir: DataDir = None,
    as_of: AsOf = None,
) -> None:
    """Serve the tools to a host: on stdin and stdout, or as Streamable HTTP at /mcp."""
    settings = _settings(data_dir, as_of)

    async def run() -> None:
        from mcp_server.app import build_server, open_backend

        backend, clock = await open_backend(settings)
        try:
            server = build_server(backend, clock)
            if transport is Transport.STDIO:
                from mcp_server.transports.stdio import serve_stdio

                await serve_stdio(server)
            else:
                from mcp_server.transports.http import serve_http

                await serve_http(server, host=host, port=port)
        finally:
            await backend.aclose()

    _run(run)


@app.command()
def tools(as_json: AsJson = False) -> None:
    """List the tools, or print them as hosts receive them (--json)."""
    from mcp_server.app import published_tools
    from mcp_server.tools import ALL_TOOLS

    published = published_tools(ALL_TOOLS)
    if as_json:
        _print_json({"tools": [_wire(tool) for tool in published]})
        return
    from rich.table import Table

    table = Table("tool", "toolset", "effect", "what it does", box=None, pad_edge=False)
    for tool in sorted(ALL_TOOLS, key=lambda tool: (tool.toolset, tool.name)):
        table.add_row(tool.name, tool.toolset, tool.effect, tool.description.splitlines()[0])
    _console().print(table)


@app.command()
def call(
    tool: Annotated[str, typer.Argument(help="Name of the tool; see `shopfloor-mcp tools`.")],
    arguments: Annotated[str, typer.Argument(help="Arguments as a JSON object, or - to read it from stdin.")] = "{}",
    idempotency_key: Annotated[
        str | None, typer.Option(help="Key of a write: the same key never takes effect twice.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    as_of: AsOf = None,
) -> None:
    """Call one tool without any host, with every check a host's call passes."""
    from mcp_server.tools import ALL_TOOLS

    by_name = {known.name: known for known in ALL_TOOLS}
    if tool not in by_name:
        close = get_close_matches(tool, by_name, n=3)
        _wrong_usage(f"There is no tool {tool!r}.", f"Did you mean {' or '.join(close)}?" if close else "See `shopfloor-mcp tools`.")
    given = _arguments(sys.stdin.read() if arguments == "-" else arguments)
    settings = _settings(data_dir, as_of)

    async def run() -> tuple[dict[str, Any], bool]:
        from mcp_server.app import open_backend
        from mcp_server.errors import ToolFailure
        from mcp_server.pipeline.call import Pipeline
        from mcp_server.pipeline.declaration import Caller

        backend, clock = await open_backend(settings)
        try:
            caller = Caller(idempotency_key=idempotency_key)
            return await Pipeline(backend, clock).call(by_name[tool], given, caller), True
        except ToolFailure as failure:
            return failure.as_json(), False
        finally:
            await backend.aclose()

    answer, succeeded = _run(run)
    _print_json(answer) if as_json else _print_answer(answer)
    if not succeeded:
        raise typer.Exit(FAILED)


@app.command()
def schemas(
    check: Annotated[bool, typer.Option("--check", help="Compare only; exit 1 if they differ.")] = False,
    directory: Annotated[Path | None, typer.Option(help="Where they are kept.", show_default=False)] = None,
) -> None:
    """Write the published schema of every tool to schemas/, or compare (--check)."""
    from mcp_server.app import published_tools
    from mcp_server.bundled import schemas_dir
    from mcp_server.published import compare_schemas, write_schemas
    from mcp_server.tools import ALL_TOOLS

    folder = directory or schemas_dir()
    wanted = {tool.name: _wire(tool) for tool in published_tools(ALL_TOOLS)}
    if not check:
        changed = write_schemas(folder, wanted)
        typer.echo(f"{len(wanted)} schemas in {folder}, {len(changed)} changed.")
        return
    differences = compare_schemas(folder, wanted)
    for difference in differences:
        typer.echo(difference)
    if differences:
        typer.echo("Run `shopfloor-mcp schemas` and review the change: hosts and clients rely on it.", err=True)
        raise typer.Exit(FAILED)
    typer.echo(f"{len(wanted)} schemas are up to date.")


@app.command()
def seed(
    erase: Annotated[bool, typer.Option("--erase", help="Delete everything in the database first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
    data_dir: DataDir = None,
    as_of: AsOf = None,
) -> None:
    """Fill an empty database with the sample plant. `serve` and `call` do it on first use."""
    settings = _settings(data_dir, as_of)
    if erase and not yes:
        typer.confirm(f"Delete every record in {settings.data_dir}?", abort=True, err=True)

    async def run() -> dict[str, int] | None:
        from mcp_server.backends.sql.provision import reseed
        from mcp_server.bundled import sample_plant_dir
        from mcp_server.clock import Clock

        today = Clock(settings.as_of).today()
        return await reseed(settings.data_dir, sample_plant=sample_plant_dir(), as_of=today, erase=erase)

    counts = _run(run)
    if counts is None:
        typer.echo(f"{settings.data_dir} holds a plant already; nothing was changed. Use --erase to start over.", err=True)
        return
    for table, count in counts.items():
        typer.echo(f"{count:6d} {table}")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(identity.VERSION)


def _settings(data_dir: Path | None, as_of: datetime | None) -> Settings:
    from pydantic import ValidationError

    from mcp_server.logs import configure_logs

    given = {"data_dir": data_dir, "as_of": as_of.date() if as_of else None}
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType] - only known names
    except ValidationError as error:
        names = ", ".join(f"SHOPFLOOR_{str(problem['loc'][0]).upper()}: {problem['msg']}" for problem in error.errors())
        _wrong_usage(f"A setting is wrong. {names}.", "Correct it and start again.")
    configure_logs(settings.log_level, settings.log_format)
    return settings


def _run(main: Callable[[], Awaitable[T]]) -> T:
    import anyio

    try:
        return anyio.run(main)
    except ConfigurationError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from None
    except (OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _arguments(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        _wrong_usage(f"The arguments are not JSON: {error}.", """Quote them for your shell: '{"project":"ALPHA"}'""")
    if not isinstance(given, dict):
        _wrong_usage("The arguments must be a JSON object.", """For example: '{"project":"ALPHA"}'""")
    return given  # pyright: ignore[reportUnknownVariableType] - JSON, checked by the pipeline


def _wrong_usage(message: str, suggestion: str) -> Any:  # noqa: ANN401 - never returns
    typer.echo(f"error: {message} {suggestion}", err=True)
    raise typer.Exit(WRONG_USAGE)


def _wire(tool: Any) -> dict[str, Any]:  # noqa: ANN401 - the SDK's tool model
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def _print_answer(answer: dict[str, Any]) -> None:
    """Items as a table, anything else as indented JSON."""
    items = answer.get("items")
    if not items:
        sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) + "\n")
        return
    from rich.table import Table

    columns = [name for name in items[0] if not isinstance(items[0][name], list | dict)]
    table = Table(*columns, box=None, pad_edge=False)
    for item in items:
        table.add_row(*(str(item.get(name, "")) for name in columns))
    console = _console()
    console.print(table)
    typer.echo(f"{len(items)} of {answer['total']} ({answer['source']}, {answer['as_of']})", err=True)


def _console() -> Any:  # noqa: ANN401 - rich loads late
    from rich.console import Console

    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False)
