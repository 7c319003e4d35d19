"""How a command starts and how it ends: settings, the tools that are offered, questions, failures, exit codes.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypedDict, TypeVar, Unpack

import typer

from mcp_server.errors import ConfigurationError, ToolFailure
from mcp_server.terminal import remark

if TYPE_CHECKING:
    from mcp_server.pipeline.declaration import Tool
    from mcp_server.settings import Settings

__all__ = [
    "FAILED",
    "WRONG_USAGE",
    "AsJson",
    "AsOf",
    "BackendOption",
    "DataDir",
    "ExcludeTools",
    "OnlyTools",
    "ReadOnly",
    "Toolsets",
    "arguments_from",
    "ask",
    "offered_tools",
    "run",
    "settings_from",
    "wrong_usage",
]

T = TypeVar("T")

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130

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
BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="URL|FILE",
        help="System of record: postgresql://…, fsmes+https://…, tryton+https://…, or a .yaml file [env: "
        "SHOPFLOOR_BACKEND; credentials: SHOPFLOOR_BACKEND_USER, _PASSWORD, _TOKEN].",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
Toolsets = Annotated[
    list[str] | None,
    typer.Option(
        "--toolsets",
        metavar="A,B",
        help="Only the tools of these toolsets [env: SHOPFLOOR_TOOLSETS].",
        show_default=False,
    ),
]
OnlyTools = Annotated[
    list[str] | None,
    typer.Option(
        "--tools",
        metavar="A,B",
        help="Only these tools; with --toolsets, these too [env: SHOPFLOOR_TOOLS].",
        show_default=False,
    ),
]
ExcludeTools = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-tools", metavar="A,B", help="Never these tools [env: SHOPFLOOR_EXCLUDE_TOOLS].", show_default=False
    ),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Never a tool that writes [env: SHOPFLOOR_READ_ONLY].", show_default=False)
]


class Options(TypedDict, total=False):
    """Options that are settings; what was not given is absent, None, empty or False."""

    backend: str | None
    data_dir: Path | None
    as_of: datetime | None
    toolsets: list[str] | None
    tools: list[str] | None
    exclude_tools: list[str] | None
    read_only: bool


def settings_from(**options: Unpack[Options]) -> "Settings":
    """The settings with these options; logging is set up by them. A wrong one ends the command."""
    from pydantic import ValidationError

    from mcp_server.logs import configure_logs
    from mcp_server.settings import Settings

    given: dict[str, Any] = {name: _plain(value) for name, value in options.items() if value}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        wrong = ", ".join(f"SHOPFLOOR_{str(problem['loc'][0]).upper()}: {problem['msg']}" for problem in error.errors())
        wrong_usage(f"A setting is wrong. {wrong}.", "Correct it and start again.")
    configure_logs(settings.log_level, settings.log_format)
    return settings


def offered_tools(settings: "Settings") -> "tuple[Tool[Any, Any, Any], ...]":
    """The tools that the settings leave; a name that does not exist ends the command."""
    from mcp_server.surface.selection import Selection, WrongSelection, select_tools
    from mcp_server.tools import ALL_TOOLS

    wanted = Selection(settings.toolsets, settings.tools, settings.exclude_tools, read_only=settings.read_only)
    try:
        return select_tools(ALL_TOOLS, wanted)
    except WrongSelection as error:
        wrong_usage(str(error))


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run it to its end; what it fails with is told on stderr and ends the command."""
    import anyio

    try:
        return anyio.run(main)
    except ToolFailure as failure:
        remark(f"error: {failure.message} {failure.suggestion}")
        raise typer.Exit(FAILED) from None
    except (ConfigurationError, OSError, ValueError) as error:
        for line in f"error: {error}".split("\n"):
            remark(line)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def ask(question: str) -> None:
    """Go on if the person says yes; anything else ends the command."""
    typer.echo(f"{question} [y/N] ", nl=False, err=True)
    if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
        remark("Nothing was changed.")
        raise typer.Exit(FAILED)


def arguments_from(text: str) -> dict[str, Any]:
    """A JSON object from the command line, or from stdin where the text is `-`."""
    try:
        given = json.loads(sys.stdin.read() if text == "-" else text)
    except (ValueError, RecursionError) as error:
        wrong_usage(f"The arguments are not JSON: {error}.", """Quote them for your shell: '{"project":"ALPHA"}'""")
    if not isinstance(given, dict):
        wrong_usage("The arguments must be a JSON object.", """For example: '{"project":"ALPHA"}'""")
    return given  # pyright: ignore[reportUnknownVariableType] - JSON, checked by the pipeline


def wrong_usage(message: str, suggestion: str = "") -> NoReturn:
    remark(f"error: {message} {suggestion}".rstrip())
    raise typer.Exit(WRONG_USAGE)


def _plain(value: object) -> object:
    """As a setting is written."""
    match value:
        case datetime():
            return value.date()
        case list():
            return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType] - an option of text
        case _:
            return value
