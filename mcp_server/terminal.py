"""What the command line shows: tables and messages for people, one line of JSON for machines.

Data goes to stdout, remarks about it to stderr. Text of the plant is shown as text: control characters, which could
move the cursor or hide something, are replaced.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["remark", "show_answer", "show_failure", "show_json", "show_table", "show_text"]

_FEWEST_COLUMNS = 3
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories of what a terminal obeys instead of showing."""


def show_json(value: object) -> None:
    """One line of ASCII, so that every line is a document, whatever the terminal's encoding."""
    sys.stdout.write(json.dumps(value, separators=(",", ":")) + "\n")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table at the width of the console; the last column wraps."""
    _console().print(_table(columns, rows))


def show_answer(answer: Mapping[str, Any]) -> None:
    """The items of a list as a table, anything else as indented JSON."""
    if "items" in answer:
        _show_items(answer)
        return
    for line in json.dumps(answer, ensure_ascii=False, indent=2).split("\n"):
        sys.stdout.write(_plain(line) + "\n")


def show_failure(error: Mapping[str, Any]) -> None:
    """The error object of a refused call."""
    told = {
        "field": error.get("field"),
        "suggestion": error.get("suggestion"),
        "alternatives": ", ".join(error.get("alternatives", ())),
        "also": "\n".join(error.get("also", ())),
        "outcome": None if error["outcome_known"] else "unknown; the change may have been made",
    }
    lines = [f"Refused ({error['code']}): {_plain(error['message'])}"]
    for name, text in told.items():
        for position, line in enumerate(text.split("\n") if text else ()):
            lines.append(f"  {name if position == 0 else '':<12}  {_plain(line)}")
    sys.stdout.write("\n".join(lines) + "\n")


def show_text(text: str) -> None:
    """One line."""
    sys.stdout.write(_plain(text) + "\n")


def remark(text: str) -> None:
    sys.stderr.write(_plain(text) + "\n")


def _show_items(answer: Mapping[str, Any]) -> None:
    items: Sequence[Mapping[str, Any]] = answer["items"]
    names = list(dict.fromkeys(name for item in items for name in item))
    plain = _telling_first(items, [n for n in names if not any(isinstance(i.get(n), list | dict) for i in items)])
    if items:
        shown = _print_fitting(plain, [[_cell(item.get(name)) for name in plain] for item in items])
        left_out = [name for name in names if name not in shown]
        if left_out:
            remark(f"Not shown: {', '.join(left_out)}. Use --json to see all.")
    for warning in answer.get("warnings", ()):
        remark(f"Warning: {warning}")
    remark(f"{len(items)} of {answer['total']} ({answer['source']}, {answer['as_of']})")
    if answer.get("next_cursor"):
        remark(f'More: call again with "cursor":"{answer["next_cursor"]}"')


def _telling_first(items: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """The names as they come, but those that are the same in all of several items last: they tell least."""
    told = {name: len({_cell(item.get(name)) for item in items}) > 1 or len(items) == 1 for name in names}
    return sorted(names, key=lambda name: not told[name])


def _print_fitting(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Sequence[str]:
    """Print as many of the leading columns as fit the console unwrapped, but not too few; returns their names.

    Prose, which takes more than half of the console, must not keep the columns after it out, and is passed over.
    """
    console = _console()
    short = [
        at
        for at, name in enumerate(columns)
        if at < _FEWEST_COLUMNS or max(len(name), *(len(row[at]) for row in rows)) <= console.width // 2
    ]
    while True:
        names = [columns[at] for at in short]
        table = _table(names, [[row[at] for at in short] for row in rows])
        if len(short) <= _FEWEST_COLUMNS or _width(console, table) <= console.width:
            console.print(table)
            return names
        short.pop()


def _width(console: "Console", table: "Table") -> int:
    return console.measure(table, options=console.options.update(max_width=10_000)).maximum


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    return table


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _plain(text: str) -> str:
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNSEEN else c for c in text)
