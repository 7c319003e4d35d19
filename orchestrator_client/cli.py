"""The command line of the client: `shopfloor chat | ask | sessions | agents`.

Data goes to stdout, everything else to stderr. Exit codes:

0    done
1    failed: the task was not brought to an end, there is no such session, a definition or a file cannot be used,
     `agents --check` found problems, a deletion was not agreed to
2    wrong usage: an unknown option or value, a setting out of range, nobody to ask
130  interrupted from the keyboard
"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator_client.commands import agents, sessions
from orchestrator_client.commands.options import (
    AgentsDir,
    AsJson,
    DataDir,
    HistoryOption,
    ModelOption,
    ServerOption,
    settings_of,
)
from orchestrator_client.commands.running import FAILED, console, fail, print_json, run, wrong_usage

if TYPE_CHECKING:
    from orchestrator_client.settings import Settings

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Say what you need on the shop floor; it gets done in the plant's system of record.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

SessionOption = Annotated[str | None, typer.Option("--session", help="Session id.", show_default=False)]


@app.command()
def chat(
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the latest session.")] = False,
    session: SessionOption = None,
    model: ModelOption = None,
    server: ServerOption = None,
    agents_dir: AgentsDir = None,
    history: HistoryOption = None,
    data_dir: DataDir = None,
) -> None:
    """Talk to the assistant. Lines can also be piped in."""
    settings = settings_of(model=model, server=server, agents_dir=agents_dir, history=history, data_dir=data_dir)

    async def main() -> bool:
        from orchestrator_client.startup import open_orchestrator
        from orchestrator_client.terminal.repl import Chat, lines_from, new_session_id

        async with open_orchestrator(settings) as (orchestrator, store):
            out = console()
            talk = Chat(orchestrator, store, out, session_id=new_session_id())
            out.print(f"[dim]{_greeting(settings)} Try: Create a quality plan for Project Alpha. /help for more.[/dim]")
            if (resume or session is not None) and not await talk.resume(session):
                return False
            await talk.run(lines_from(settings.data_dir / "prompt_history", out))
            return True

    if not run(main):
        fail("There is no such session. See `shopfloor sessions`.")


@app.command()
def ask(
    message: Annotated[str, typer.Argument(help="What you need, or - to read it from stdin.")],
    session: SessionOption = None,
    model: ModelOption = None,
    server: ServerOption = None,
    agents_dir: AgentsDir = None,
    history: HistoryOption = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send one message and print the answer. Go on with --session."""
    settings = settings_of(model=model, server=server, agents_dir=agents_dir, history=history, data_dir=data_dir)
    text = sys.stdin.read() if message == "-" else message
    if not text.strip():
        wrong_usage("The message is empty.", 'Say what you need: shopfloor ask "Which machines does Alpha have?"')

    async def main() -> bool:
        from orchestrator_client.startup import open_orchestrator
        from orchestrator_client.terminal.repl import new_session_id
        from orchestrator_client.terminal.view import TurnView

        async with open_orchestrator(settings) as (orchestrator, _store):
            view = None if as_json else TurnView(console())
            turn = await orchestrator.handle_message(session or new_session_id(), text.strip(), listener=view)
            if view is None:
                print_json(turn.as_json())
            else:
                view.end(turn)
                typer.echo(f"session {turn.session_id}", err=True)
            return turn.outcome not in {"interrupted", "gave_up"}

    if not run(main):
        raise typer.Exit(FAILED)


app.add_typer(sessions.app, name="sessions")
app.command(name="agents")(agents.agents)


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
