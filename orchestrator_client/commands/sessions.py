"""`shopfloor sessions`: lists, shows, exports and deletes what was said before."""

import json
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator_client.commands.options import AsJson, DataDir, settings_of
from orchestrator_client.commands.running import FAILED, console, print_json, remark, run, wrong_usage

if TYPE_CHECKING:
    from orchestrator_client.sessions.store import SessionStore, SessionSummary, Transcript
    from orchestrator_client.settings import Settings

__all__ = ["app"]

_LISTED = 20
_MOST_NAMED = 10
"""How many sessions an error lists that an abbreviated id may mean."""
_PATIENCE_S = 2.0
"""How long a deletion waits for an answer that is under way in another window."""

app = typer.Typer(
    invoke_without_command=True,
    help="List earlier sessions, the latest first; show, export or delete one.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(StrEnum):
    JSON = "json"
    MARKDOWN = "markdown"


SessionId = Annotated[str, typer.Argument(metavar="ID", help="Session id; its beginning is enough.")]


@app.callback()
def listing(
    context: typer.Context,
    limit: Annotated[int | None, typer.Option(min=1, help="How many to list.", show_default="20")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List earlier sessions, the latest first; show, export or delete one."""
    if context.invoked_subcommand is not None:
        if limit is not None or data_dir is not None or as_json:
            wrong_usage("An option stands in the wrong place.", f"Put it after {context.invoked_subcommand}.")
        return

    settings = settings_of(data_dir=data_dir)

    async def main() -> None:
        async with _opened(settings) as store:
            found = await store.sessions(limit or _LISTED)
        if as_json:
            print_json({"sessions": [_listed(session) for session in found]})
        elif found:
            from orchestrator_client.terminal.session_view import table_of_sessions

            console().print(table_of_sessions(found))
        else:
            remark("There are no sessions yet.")

    run(main)


@app.command()
def show(session: SessionId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show where a session stands and what was said in it."""
    settings = settings_of(data_dir=data_dir)

    async def main() -> None:
        transcript = await _transcript(settings, session)
        if as_json:
            from orchestrator_client.sessions.export import overview

            print_json(overview(transcript))
        else:
            from orchestrator_client.terminal.session_view import show_session

            show_session(transcript, console())

    run(main)


@app.command()
def export(
    session: SessionId,
    *,
    as_format: Annotated[Format, typer.Option("--format", help="JSON holds everything.")] = Format.MARKDOWN,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.", show_default="stdout")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write a whole session: messages, tool calls and their answers, state and usage."""
    settings = settings_of(data_dir=data_dir)

    async def main() -> None:
        text = _exported(await _transcript(settings, session), as_format)
        if output is None:
            sys.stdout.write(text)
        else:
            _write(output, text, overwrite=force)

    run(main)


@app.command()
def delete(
    sessions: Annotated[list[str], typer.Argument(metavar="ID...", help="Session ids; their beginnings are enough.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete sessions for good: messages, state and usage. What their tasks stored in the plant stays."""
    if not yes and not sys.stdin.isatty():
        wrong_usage("There is nobody to ask whether this is meant.", "Add --yes to delete without being asked.")
    settings = settings_of(data_dir=data_dir)

    async def main() -> bool:
        async with _opened(settings) as store:
            found = list({entry.id: entry for entry in [await _found(store, given) for given in sessions]}.values())
            if not yes and not _agreed(found):
                remark("Nothing was deleted.")
                return False
            for entry in found:
                if await store.delete(entry.id):
                    typer.echo(f"deleted {_named(entry)}")
        return True

    if not run(main):
        raise typer.Exit(FAILED)
    _tell_of_copies(settings.data_dir)


@asynccontextmanager
async def _opened(settings: "Settings") -> AsyncGenerator["SessionStore"]:
    from orchestrator_client.sessions.store import SESSIONS_NAME, SessionStore

    store = await SessionStore.open(settings.data_dir / SESSIONS_NAME, patience_s=_PATIENCE_S)
    try:
        yield store
    finally:
        await store.aclose()


async def _found(store: "SessionStore", given: str) -> "SessionSummary":
    """The session of this id, or the only one whose id begins like this."""
    from orchestrator_client.errors import ConfigurationError

    found = await store.sessions(None, beginning=given) if given else []
    exact = [entry for entry in found if entry.id == given]
    if len(found) > 1 and not exact:
        names = ", ".join(entry.id for entry in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise ConfigurationError(
            f"{len(found)} sessions begin with {given}: {names}{more}.", suggestion="Give more of the id."
        )
    if not found:
        raise ConfigurationError(f"There is no session {given!r}.", suggestion="See `shopfloor sessions`.")
    return (exact or found)[0]


async def _transcript(settings: "Settings", given: str) -> "Transcript":
    from orchestrator_client.errors import ConfigurationError

    async with _opened(settings) as store:
        entry = await _found(store, given)
        transcript = await store.transcript(entry.id)
    if transcript is None:
        raise ConfigurationError(
            f"The session {entry.id} was deleted meanwhile.", suggestion="See `shopfloor sessions`."
        )
    return transcript


def _listed(session: "SessionSummary") -> dict[str, object]:
    return {
        "id": session.id,
        "title": session.title,
        "updated_at": session.updated_at,
        "turns": session.turns,
        "mode": session.state.mode,
    }


def _exported(transcript: "Transcript", as_format: Format) -> str:
    from orchestrator_client.sessions.export import as_json, as_markdown

    if as_format is Format.MARKDOWN:
        return as_markdown(transcript)
    text = json.dumps(as_json(transcript), ensure_ascii=False, indent=2)
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    from orchestrator_client.errors import ConfigurationError

    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigurationError(
            f"The file {path} exists already.", suggestion="Add --force to overwrite it, or give another."
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"The file {path} cannot be written: {error.strerror}.", suggestion="Give another with --output."
        ) from error
    remark(f"written to {path}")


def _agreed(sessions: Sequence["SessionSummary"]) -> bool:
    for entry in sessions:
        remark(_named(entry))
    return typer.confirm("Delete for good?", err=True)


def _named(session: "SessionSummary") -> str:
    from orchestrator_client.terminal.plain import plain

    title = " ".join(session.title.split())
    return plain(f"{session.id} ({session.turns} message{'s' * (session.turns != 1)}): {title}")


def _tell_of_copies(folder: Path) -> None:
    """Deleting cannot reach what was copied or kept elsewhere."""
    from orchestrator_client.sessions.store import SESSIONS_NAME
    from orchestrator_client.sessions.upgrade import backup_of

    for path in (backup_of(folder / SESSIONS_NAME), folder / "prompt_history"):
        if path.exists():
            remark(f"note: {path} may still hold what was typed. Remove it if it must be gone too.")
