"""Tool answers as tables: lists of records, and records that hold lists, such as a plan with its rows."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table

from orchestrator_client.dialogue.completion import without_marker
from orchestrator_client.dialogue.json_values import objects_in
from orchestrator_client.terminal.plain import harmless

__all__ = ["tables_of"]

_WIDEST = 32
_GAP = 2
_LEAST_COLUMNS = 2
_FIRST = ("id", "name", "title", "characteristic", "status", "state", "severity")
_UNTOLD = ("project", "description")

Row = dict[str, Any]


def tables_of(answer: Row, console: Console) -> Iterator[RenderableType]:
    """The tables worth showing of a tool's structured answer; none if it holds no records."""
    items = answer.get("items")
    records = objects_in(items) if items is not None else objects_in([answer.get("record")])
    if records and items is not None:
        yield _table(records, console.width)
    for name, value in answer.items():
        if name != "items" and (rows := objects_in(value)):
            yield harmless(f"{name.replace('_', ' ').capitalize()}:")
            yield _table(rows, console.width)
    for record in records:
        for name, value in record.items():
            rows = objects_in(value)
            if rows:
                yield harmless(f"{record.get('id', '')} {name}:")
                yield _table(rows, console.width)


def _table(rows: Sequence[Row], width: int) -> Table:
    """As many columns as fit, the telling ones first; the caption names the others."""
    names = _columns(rows)
    shown: list[str] = []
    left = width
    for name in names:
        need = min(_WIDEST, max(cell_len(text) for text in (name, *(_text(row.get(name)) for row in rows)))) + _GAP
        if need <= left or len(shown) < _LEAST_COLUMNS:
            shown.append(name)
            left -= need
    hidden = [name for name in names if name not in shown]
    caption = harmless(f"not shown: {', '.join(hidden)}") if hidden else None
    table = Table(
        *map(harmless, shown),
        box=None,
        pad_edge=False,
        padding=(0, _GAP, 0, 0),
        caption=caption,
        caption_justify="left",
    )
    for row in rows:
        table.add_row(*(harmless(_text(row.get(name))) for name in shown))
    return table


def _columns(rows: Sequence[Row]) -> list[str]:
    """Scalar fields that any row has; the same value in every row of several tells nothing, so it comes last."""
    names = list(dict.fromkeys(name for row in rows for name, value in row.items() if _is_plain(value)))
    told = {
        name
        for name in names
        if name not in _UNTOLD and (len(rows) == 1 or len({_text(r.get(name)) for r in rows}) > 1)
    }
    order = {name: position for position, name in enumerate(_FIRST)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name not in told))


def _is_plain(value: object) -> bool:
    return not isinstance(value, dict | list)


def _text(value: object) -> str:
    if value is None:
        return ""
    return ("yes" if value else "no") if isinstance(value, bool) else without_marker(str(value))
