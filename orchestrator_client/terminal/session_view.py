"""Earlier sessions on a terminal: a list of them, and one of them from its beginning."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.sessions.export import overview
from orchestrator_client.sessions.store import SessionSummary, StoredTurn, Transcript
from orchestrator_client.terminal.plain import harmless, plain

__all__ = ["show_session", "table_of_sessions"]


def table_of_sessions(sessions: Iterable[SessionSummary]) -> Table:
    table = Table("session", "last used", "messages", "task", "began with", box=None, pad_edge=False)
    for entry in sessions:
        task = entry.state.task.agent if entry.state.task else ""
        table.add_row(
            harmless(entry.id),
            _minute(entry.updated_at),
            str(entry.turns),
            harmless(task),
            harmless(" ".join(entry.title.split())),
        )
    return table


def show_session(transcript: Transcript, console: Console) -> None:
    """Where the session stands, and what was said in it."""
    summary = transcript.summary
    console.print(f"Session {harmless(summary.id)}")
    console.print(f"Begun {_minute(summary.created_at)}, last used {_minute(summary.updated_at)} (UTC)")
    for line in _standing(summary.state):
        console.print(harmless(line))
    for turn in transcript.turns:
        console.print()
        _show_turn(turn, console)
    total = overview(transcript)["usage"]["total"]
    console.print(
        f"\n[dim]Model calls: {total['calls']}. Tokens: {total['input_tokens']:,} in, "
        f"{total['output_tokens']:,} out.[/dim]"
    )


def _standing(state: SessionState) -> Sequence[str]:
    lines = [f"Project: {state.project or 'none'}"]
    if state.task is not None:
        lines.append(f"Task under way: {state.task.agent}: {state.task.opening_message}")
    lines += [f"Task that waits: {task.agent}: {task.opening_message}" for task in state.parked]
    lines += [f"Request that waits: {request.text}" for request in state.waiting]
    return lines


def _show_turn(turn: StoredTurn, console: Console) -> None:
    console.print(f"> {plain(turn.text)}", markup=False, style="bold")
    if turn.result is None:
        console.print("[dim](cut short; it is finished when you go on with the session)[/dim]")
        return
    console.print(plain(str(turn.result.get("reply", ""))), markup=False)
    told = ", ".join(str(turn.result[name]) for name in ("agent", "outcome") if turn.result.get(name))
    console.print(f"[dim]{harmless(told)}[/dim]")


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
