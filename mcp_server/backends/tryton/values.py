"""Between Tryton's values and ours: marks, texts, numbers, units of measure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

__all__ = [
    "Column",
    "Mark",
    "flag",
    "in_unit_text",
    "line",
    "moment",
    "number",
    "text",
    "unit_in",
    "uom_decoded",
    "uom_encoded",
]

_MARK = re.compile(r"\[([^\[\]]+)\]\s*(.*)", re.DOTALL)
_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")
_UNIT = "Unit: "
_UOMS = {
    "ea": "u",
    "pcs": "u",
    "set": "u",
    "kg": "kg",
    "g": "g",
    "L": "l",
    "m": "m",
    "cm": "cm",
    "mm": "mm",
    "h": "h",
    "min": "min",
}
_UOMS_BACK = {"u": "ea", "l": "L"}


@dataclass(frozen=True, slots=True)
class Column:
    """How a value of Tryton's becomes the one of `Row.values`, and back. What does not fit is left as it is."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True, slots=True)
class Mark:
    """Where our id stands in Tryton: as a field of its own, or as `[MC-103]` at the beginning of a text."""

    column: str
    bracketed: bool

    def clause(self, key: str) -> tuple[str, str, str]:
        """Finds every record with this mark, and perhaps more."""
        if not self.bracketed:
            return (self.column, "=", key)
        return (self.column, "like", "[" + re.sub(r"([%_\\])", r"\\\1", key) + "]%")

    def split(self, value: Any) -> tuple[str | None, Any]:  # noqa: ANN401 - any JSON
        """The key in a value, and what is left of the value; no key where a person in Tryton made the record."""
        if not isinstance(value, str):
            return None, value
        if not self.bracketed:
            return value or None, value
        found = _MARK.fullmatch(value)
        return (found[1], found[2]) if found else (None, value)

    def joined(self, key: str, value: str) -> str:
        return f"[{key}] {value}" if self.bracketed else key


def line(value: str) -> str:
    """A text for a field that Tryton trims and wants in one line, without tabs.

    Raises:
        ValueError: it is not.
    """
    if any(sign in value for sign in "\t\n\r\v\f"):
        raise ValueError("not one line")
    return value.strip()


def text(value: Any) -> Any:  # noqa: ANN401 - any JSON
    return "" if value is None else value


def flag(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """On SQLite Tryton shows 1 and 0 for true and false."""
    return bool(value) if value in (0, 1) else value


def number(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A number, exact to the last digit, out of a JSON number or Tryton's form of a decimal."""
    if isinstance(value, Mapping):
        return _decimal(cast("Mapping[str, Any]", value))  # JSON objects have text keys
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _decimal(value: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    try:
        return float(value["decimal"])
    except (LookupError, TypeError, ValueError):
        return value


def moment(value: Any) -> datetime | None:  # noqa: ANN401 - any JSON
    """A time, which Tryton keeps in UTC and sends in parts; None for anything else."""
    try:
        return datetime(*(int(value[part]) for part in _PARTS), tzinfo=UTC)
    except (LookupError, TypeError, ValueError):
        return None


def in_unit_text(unit: str) -> str:
    """A control point has no unit of its own; its help text is what the inspector sees beside the value."""
    return f"{_UNIT}{unit}"


def unit_in(value: Any) -> Any:  # noqa: ANN401 - any JSON
    return value.removeprefix(_UNIT) if isinstance(value, str) and value.startswith(_UNIT) else ""


def uom_encoded(uom: str) -> str:
    """The symbol of our unit of measure in Tryton.

    Raises:
        LookupError: Tryton has none.
    """
    return _UOMS[uom]


def uom_decoded(symbol: str) -> str:
    return _UOMS_BACK.get(symbol, symbol)
