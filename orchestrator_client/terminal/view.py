"""Shows one turn as it happens: the agent, streamed text, a line per tool call, tables of what was found."""

from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator_client.dialogue.suggestions import BACK
from orchestrator_client.events import (
    AgentChosen,
    Note,
    TaskCompleted,
    TextPiece,
    TextWithdrawn,
    ToolFinished,
    ToolStarted,
    TurnEvent,
)
from orchestrator_client.terminal.plain import harmless, plain
from orchestrator_client.terminal.tables import tables_of
from orchestrator_client.turn import Turn

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["TurnView"]


class TurnView:
    """A listener for one turn. On a terminal it also shows that something is under way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._found: dict[str, Any] = {}
        self._in_text = False
        self._refused: ToolFinished | None = None
        self._status: Status | None = None
        self._busy("thinking")

    def __call__(self, event: TurnEvent) -> None:
        self._idle()
        self._tell_refusal(event.text if isinstance(event, TextPiece) else "")
        match event:
            case TextPiece(text):
                self._console.out(plain(text), end="", highlight=False)
                self._in_text = True
            case TextWithdrawn():
                if self._in_text:
                    self._line("[dim](that is void)[/dim]")
            case AgentChosen(_, title, _):
                self._line(f"[dim]→ {harmless(title)}[/dim]")
                self._busy("thinking")
            case ToolStarted(tool, _):
                self._busy(tool)
            case ToolFinished():
                self._tool(event)
                self._busy("thinking")
            case TaskCompleted():
                self._done()
            case Note(text):
                self._line(harmless(text))

    def end(self, turn: Turn) -> None:
        """Close the turn: completion and suggestions."""
        self._idle()
        self._tell_refusal()
        self._break()
        if turn.repeated:
            self._console.print(plain(turn.reply), highlight=False, markup=False)
        suggestions = [text for text in turn.suggestions if not (turn.choices and text.startswith(BACK))]
        if suggestions:  # the way back is not offered twice
            self._console.print("[dim]Next you could say:[/dim]")
            for suggestion in suggestions:
                self._console.print(f"[dim]  · {harmless(suggestion)}[/dim]")

    def abort(self) -> None:
        self._idle()
        self._tell_refusal()
        self._break()

    def _tool(self, event: ToolFinished) -> None:
        if event.awaits_person:
            self._line(f"  ? {harmless(event.tool)}: {harmless(event.message)}")
            return
        if not event.ok:
            self._refused = event
            return
        answer = event.answer or {}
        how = " (dry run)" if answer.get("dry_run") else " (already done before)" if event.replayed else ""
        self._line(f"[dim]  ✓ {harmless(event.tool)}{how}[/dim]")
        if event.goal and not answer.get("dry_run"):
            self._found = answer  # the last one is what the task was about; those before it were look-ups

    def _done(self) -> None:
        """A task is completed; more may follow in this turn."""
        self._break()
        for table in tables_of(self._found, self._console):
            self._console.print(table)
        self._console.print("[green]✓ done[/green]")
        self._found = {}

    def _tell_refusal(self, text: str = "") -> None:
        """The refused call before this text; its words only if the text does not say them."""
        refused, self._refused = self._refused, None
        if refused is not None:
            words = "" if refused.message in text else f": {harmless(refused.message)}"
            self._line(f"[red]  ✗ {harmless(refused.tool)}{words}[/red]")

    def _line(self, markup: str) -> None:
        self._break()
        self._console.print(markup, highlight=False)

    def _break(self) -> None:
        if self._in_text:
            self._console.print()
            self._in_text = False

    def _busy(self, doing: str) -> None:
        if self._console.is_terminal and not self._in_text:
            self._status = self._console.status(f"[dim]{harmless(doing)} …[/dim]")
            self._status.start()

    def _idle(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
