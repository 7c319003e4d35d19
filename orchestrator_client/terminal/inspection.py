"""What a person can look at during a chat: the open tasks, what the agent sees, what it has cost."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from orchestrator_client.dialogue.choices import quoted
from orchestrator_client.dialogue.messages import Block, OpaqueBlock, TextBlock, ToolResultBlock, ToolUseBlock
from orchestrator_client.dialogue.prices import Price, cost
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.usage import NO_USAGE, Usage
from orchestrator_client.models.protocol import ModelRequest
from orchestrator_client.models.tokens import message_tokens, request_tokens, text_tokens, tools_tokens
from orchestrator_client.sessions.store import BookedCall
from orchestrator_client.terminal.plain import harmless, plain

__all__ = ["show_context", "show_cost", "show_tasks"]


def show_tasks(state: SessionState, title: Callable[[str], str], console: Console) -> None:
    """The active task, those to go back to, numbered for `/switch`, and what will be taken up after them."""
    lines = [f"now  {title(state.task.agent)}: {quoted(state.task.opening_message)}"] if state.task else []
    for number, task in enumerate(reversed(state.parked), start=1):
        lines.append(f"  {number}  {title(task.agent)}: {quoted(task.opening_message)}")
    lines += [f"next  {quoted(request.text)}" for request in state.waiting]
    if state.parked:
        lines.append("/switch NUMBER goes to a task that waits, /back to the first of them.")
    console.print(harmless("\n".join(lines) or "No task is open."))


def show_context(request: ModelRequest | None, counted: int | None, console: Console, *, schemas: bool = False) -> None:
    """Exactly what the agent sees, part by part; of its tools the names, or with `schemas` everything.

    `counted` is the server's own count of its tokens, if it has one.
    """
    if request is None:
        console.print(
            "No task is active, so no agent sees anything. The router sees your message, the project and what waits."
        )
        return
    _heading(console, "system prompt", text_tokens(request.system))
    _body(console, request.system)
    _heading(console, f"tools ({len(request.tools)})", tools_tokens(request.tools))
    for tool in request.tools:
        schema = f"\n{tool.description}\n{json.dumps(tool.input_schema, ensure_ascii=False)}" if schemas else ""
        _body(console, f"{tool.name} ({tools_tokens([tool]):,}){schema}")
    if request.tools and not schemas:
        console.print("[dim]/context tools shows them as the agent reads them.[/dim]")
    for message in request.messages:
        _heading(console, message.kind, message_tokens(message))
        for block in message.blocks:
            _body(console, _shown(block))
    exact = f"; the server counts {counted:,}" if counted is not None else ""
    console.print(f"\nAbout {request_tokens(request):,} tokens in {len(request.messages)} messages{exact}.")


def show_cost(
    calls: Sequence[BookedCall], openings: Mapping[str, str], prices: Mapping[str, Price], console: Console
) -> None:
    """Tokens, cache hits and cost: of the last turn, of each task, of what each call was for, of the session."""
    if not calls:
        console.print("No model has been called in this session.")
        return
    table = Table("", "calls", "input", "from cache", "output", "dollars", box=None, pad_edge=False)
    last = max(call.turn for call in calls)
    _row(table, "last turn", [call for call in calls if call.turn == last], prices)
    for task_id, opening in openings.items():
        of_task = [call for call in calls if call.task_id == task_id]
        if of_task:
            _row(table, f"task {quoted(opening)}", of_task, prices)
    between = [call for call in calls if call.task_id not in openings]
    if between:
        _row(table, "between tasks", between, prices)
    for purpose in dict.fromkeys(call.call.purpose for call in calls):
        _row(table, f"for {purpose}", [call for call in calls if call.call.purpose == purpose], prices)
    _row(table, "session", calls, prices)
    console.print(table)
    unpriced = sorted({call.call.model for call in calls if call.call.usage != NO_USAGE} - prices.keys())
    if unpriced:
        console.print(f"[dim]No price is known for {harmless(', '.join(unpriced))}. Set SHOPFLOOR_PRICES.[/dim]")


def _row(table: Table, name: str, calls: Sequence[BookedCall], prices: Mapping[str, Price]) -> None:
    usage = sum((call.call.usage for call in calls), NO_USAGE)
    table.add_row(
        harmless(name),
        str(len(calls)),
        f"{usage.input_tokens:,}",
        _share(usage),
        f"{usage.output_tokens:,}",
        _dollars(calls, prices),
    )


def _share(usage: Usage) -> str:
    return f"{usage.cache_read_tokens / usage.input_tokens:.0%}" if usage.input_tokens else "-"


def _dollars(calls: Iterable[BookedCall], prices: Mapping[str, Price]) -> str:
    """What the priced calls cost; a `+` says that there are others."""
    known = [call.call for call in calls if call.call.model in prices]
    others = any(call.call.model not in prices and call.call.usage != NO_USAGE for call in calls)
    total = sum((cost(call.usage, prices[call.model]) for call in known), Decimal(0))
    return f"{total:.4f}{'+' if others else ''}" if known else "-"


def _heading(console: Console, name: str, tokens: int) -> None:
    console.print(f"[bold]── {harmless(name)}[/bold] [dim]about {tokens:,} tokens[/dim]")


def _body(console: Console, text: str) -> None:
    if text:
        console.print(plain(text), markup=False, highlight=False)


def _shown(block: Block) -> str:
    match block:
        case TextBlock(text=text):
            return text
        case ToolUseBlock():
            return f"→ {block.name} {json.dumps(block.input, ensure_ascii=False)}"
        case ToolResultBlock():
            return f"← {'error ' if block.is_error else ''}{block.content}"
        case OpaqueBlock(provider=provider):
            return f"({provider} keeps its own notes here)"
