"""The command line of the client: `shopfloor chat | ask | sessions | agents`.

Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator_client.settings import Settings

__all__ = ["app", "main"]

T = TypeVar("T")

FAILED = 1
WRONG_USAGE = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Say what you need on the shop floor; it gets done in the plant's system of record.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class ModelChoice(StrEnum):
    AUTO = "auto"
    ANTHROPIC = "anthropic"
    GUIDED = "guided"


ModelOption = Annotated[
    ModelChoice | None,
    typer.Option("--model", help="auto takes Claude if a key is set, else guided.", show_default="auto"),
]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", help='Tool server: "COMMAND" or URL.', show_default="our own"),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of sessions and plant [env: SHOPFLOOR_DATA_DIR].", show_default=False),
]
SessionOption = Annotated[str | None, typer.Option("--session", help="Session id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def chat(
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the latest session.")] = False,
    session: SessionOption = None,
    model: ModelOption = None,
    server: ServerOption = None,
    data_dir: DataDir = None,
) -> None:
    """Talk to the assistant. Lines can also be piped in."""
    settings = _settings(model, server, data_dir)

    async def run() -> bool:
        from orchestrator_client.startup import open_orchestrator
        from orchestrator_client.terminal.repl import Chat, lines_from, new_session_id

        async with open_orchestrator(settings) as (orchestrator, store):
            console = _console()
            talk = Chat(orchestrator, store, console, session_id=new_session_id())
            console.print(
                f"[dim]{_greeting(settings)} Try: Create a quality plan for Project Alpha. /help for more.[/dim]"
            )
            if (resume or session is not None) and not await talk.resume(session):
                typer.echo("error: There is no such session. See `shopfloor sessions`.", err=True)
                return False
            await talk.run(lines_from(settings.data_dir / "prompt_history", console))
            return True

    if not _run(run):
        raise typer.Exit(FAILED)


@app.command()
def ask(
    message: Annotated[str, typer.Argument(help="What you need, or - to read it from stdin.")],
    session: SessionOption = None,
    model: ModelOption = None,
    server: ServerOption = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send one message and print the answer. Go on with --session."""
    settings = _settings(model, server, data_dir)
    text = sys.stdin.read() if message == "-" else message
    if not text.strip():
        _wrong_usage("The message is empty.", 'Say what you need: shopfloor ask "Which machines does Alpha have?"')

    async def run() -> bool:
        from orchestrator_client.startup import open_orchestrator
        from orchestrator_client.terminal.repl import new_session_id
        from orchestrator_client.terminal.view import TurnView

        async with open_orchestrator(settings) as (orchestrator, _store):
            view = None if as_json else TurnView(_console())
            turn = await orchestrator.handle_message(session or new_session_id(), text.strip(), listener=view)
            if view is None:
                _print_json(turn.as_json())
            else:
                view.end(turn)
                typer.echo(f"session {turn.session_id}", err=True)
            return turn.outcome not in {"interrupted", "gave_up"}

    if not _run(run):
        raise typer.Exit(FAILED)


@app.command()
def sessions(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List earlier sessions, the latest first."""
    settings = _settings(None, None, data_dir)

    async def run() -> None:
        from orchestrator_client.startup import open_sessions
        from orchestrator_client.terminal.repl import show_sessions

        store = await open_sessions(settings)
        try:
            if as_json:
                listed = [
                    {"id": s.id, "title": s.title, "updated_at": s.updated_at, "turns": s.turns, "mode": s.state.mode}
                    for s in await store.sessions()
                ]
                _print_json({"sessions": listed})
            else:
                await show_sessions(store, _console())
        finally:
            await store.aclose()

    _run(run)


@app.command()
def agents(as_json: AsJson = False) -> None:
    """List the agents: what they are for and which tools complete their tasks."""
    from orchestrator_client.agents.registry import load_agents
    from orchestrator_client.errors import ConfigurationError

    settings = _settings(None, None, None)
    try:
        registry = load_agents(settings.agents_dir)
    except ConfigurationError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from None
    listed = [
        {"key": a.key, "title": a.title, "description": a.description, "goals": [goal.tool for goal in a.goals]}
        for a in registry.agents.values()
    ]
    if as_json:
        _print_json({"agents": listed})
        return
    from rich.table import Table

    table = Table("agent", "what it is for", "goals", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for agent in listed:
        table.add_row(str(agent["key"]), str(agent["description"]), "\n".join(agent["goals"]))
    _console().print(table)


@app.command()
def version() -> None:
    """Print the version."""
    from orchestrator_client import __version__

    typer.echo(__version__)


def main() -> None:
    app()


def _greeting(settings: "Settings") -> str:
    if settings.chosen_model == "guided":
        return "Guided mode: no language model, one question at a time."
    return f"Model: {settings.agent_model}."


def _settings(model: ModelChoice | None, server: str | None, data_dir: Path | None) -> "Settings":
    from pydantic import ValidationError

    from orchestrator_client.logs import configure_logs
    from orchestrator_client.settings import Settings

    given = {"model": None if model is None else model.value, "server": server, "data_dir": data_dir}
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType] - only known names
    except ValidationError as error:
        names = ", ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        _wrong_usage(f"A setting is wrong. {names}.", "Correct it and start again.")
    configure_logs(settings.log_level, settings.log_format)
    return settings


def _run(main: Callable[[], Awaitable[T]]) -> T:
    import anyio

    from orchestrator_client.errors import ClientError

    try:
        return anyio.run(main)
    except ClientError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _wrong_usage(message: str, suggestion: str) -> NoReturn:
    typer.echo(f"error: {message} {suggestion}", err=True)
    raise typer.Exit(WRONG_USAGE)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)
