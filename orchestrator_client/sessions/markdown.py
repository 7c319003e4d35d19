"""Markdown that stays what it was written as, whatever text it carries (CommonMark 0.31)."""

import re
import string
from collections.abc import Sequence

from orchestrator_client.dialogue.completion import without_marker

__all__ = ["code_block", "inline", "table"]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.:+-]+")
_BACKTICKS = re.compile(r"`+")
_ESCAPED = str.maketrans({mark: f"\\{mark}" for mark in string.punctuation})


def code_block(text: str, language: str = "text", *, longest: int | None = None) -> str:
    """The text as it stands, cut after `longest` characters; its fence is longer than any run of backticks in it."""
    shown = _shown(text).strip("\n")
    left_out = 0 if longest is None else max(0, len(shown) - longest)
    if left_out:
        shown = without_marker(shown[:longest])
    fence = "`" * max((3, *(len(run) + 1 for run in _BACKTICKS.findall(shown))))
    block = f"{fence}{language}\n{shown}\n{fence}"
    return f"{block}\n\n*{left_out:,} more characters are in the JSON export.*" if left_out else block


def inline(text: str) -> str:
    """The text on one line: a name as code, anything else with every mark escaped."""
    shown = " ".join(_shown(text).split())
    if shown.isdecimal():
        return shown
    if _PLAIN_NAME.fullmatch(shown):
        return f"`{shown}`"
    return shown.translate(_ESCAPED) or "*none*"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """`columns` are headings of ours; the cells are from elsewhere."""
    lines = [columns, ["---"] * len(columns), *([inline(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(text: str) -> str:
    """Text for a reader: no completion marker, and control characters as a sign that something is there."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    visible = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in lines)
    return without_marker(visible)
