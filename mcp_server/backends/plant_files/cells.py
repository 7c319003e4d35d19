"""What one cell of a plant's files may hold, and what to write where it holds something else."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError

from mcp_server.domain.records import Part

__all__ = [
    "AMOUNT",
    "COUNT",
    "DAY",
    "FLAG",
    "LIST",
    "MOMENT",
    "NUMBER",
    "NUMBERS",
    "POSITIVE",
    "TEXT",
    "TIME_ZONE",
    "WHOLE",
    "Cell",
    "like",
    "one_of",
]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cell:
    """`words` say what to write; `check` raises ValueError for anything else."""

    words: str
    check: Callable[[str], object]
    is_list: bool = False

    def takes(self, text: str) -> bool:
        try:
            self.check(text)
        except ValueError:
            return False
        return True


def _any(text: str) -> str:
    return text


def _number(text: str, least: float | None = None) -> float:
    if not _NUMBER.fullmatch(text) or (least is not None and float(text) < least):
        raise ValueError(text)
    return float(text)


def _whole(text: str, least: int | None = None) -> int:
    if not _WHOLE.fullmatch(text) or (least is not None and int(text) < least):
        raise ValueError(text)
    return int(text)


def _day(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (LookupError, OSError) as error:
        raise ValueError(text) from error


def _flag(text: str) -> bool:
    if text not in {"Y", "N"}:
        raise ValueError(text)
    return text == "Y"


TEXT = Cell("text", _any)
LIST = Cell("text; several with a semicolon between them", _any, is_list=True)
WHOLE = Cell("a whole number, such as 1200", _whole)
COUNT = Cell("a whole number from 0 on", lambda text: _whole(text, 0))
POSITIVE = Cell("a whole number from 1 on", lambda text: _whole(text, 1))
NUMBER = Cell("a number with a decimal point, such as 57.015", _number)
AMOUNT = Cell("a number from 0 on, such as 41.8", lambda text: _number(text, 0))
NUMBERS = Cell(
    "numbers with a semicolon between them, such as 57.019;57.016",
    lambda text: [_number(part) for part in text.split(";")],
)
DAY = Cell("a day as year-month-day, such as 2026-06-30", _day)
MOMENT = Cell("a time with its time zone, such as 2026-06-22T07:05:00-05:00", _moment)
FLAG = Cell("Y or N", _flag)
TIME_ZONE = Cell("a time zone of the IANA list, such as America/Chicago", _zone)


def one_of(allowed: Iterable[str]) -> Cell:
    """A value of a fixed set."""
    values = tuple(allowed)

    def check(text: str) -> str:
        if text not in values:
            raise ValueError(text)
        return text

    return Cell(f"one of {', '.join(values)}", check)


def like(kind: type[Part], field: str) -> Cell:
    """What this field of a part takes, with its bounds."""
    info = kind.model_fields[field]
    adapter = TypeAdapter[Any](Annotated[info.annotation, *info.metadata, None])  # pyright: ignore[reportInvalidTypeForm, reportUnknownMemberType, reportArgumentType] - the model's own annotation

    def check(text: str) -> object:
        try:
            return adapter.validate_python(text, strict=False)
        except ValidationError as error:
            raise ValueError(field) from error

    return Cell(_words_of(adapter), check)


def _words_of(adapter: TypeAdapter[Any]) -> str:
    schema = adapter.json_schema()
    told = next((part for part in schema.get("anyOf", ()) if part.get("type") != "null"), schema)
    if values := told.get("enum"):
        return f"one of {', '.join(map(str, values))}"
    if "maxLength" in told:
        return f"text of {told.get('minLength', 1)} to {told['maxLength']} characters"
    noun = "a whole number" if told.get("type") == "integer" else "a number"
    return f"{noun} from {told.get('minimum', 'any')} to {told.get('maximum', 'any')}"
