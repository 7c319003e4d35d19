"""The sample plant's files as text, with their dates moved, and the readers all kinds of records share."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

__all__ = ["LOADED_BY", "SAMPLE_AS_OF", "SampleFiles", "listed", "number", "read", "whole"]

SAMPLE_AS_OF = date(2026, 6, 30)
"""The day the sample plant's files describe."""
LOADED_BY = "plant files"
"""Author of what a plant's own files name nobody for; no person has such an id."""


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """The folder of the CSV files; `shift` is added to every date in them."""

    folder: Path
    shift: timedelta

    def rows(self, name: str) -> list[dict[str, str]]:
        """The rows of one file.

        Raises:
            FileNotFoundError: the folder does not hold the sample plant.
        """
        with (self.folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def grouped(self, name: str, column: str) -> dict[str, list[dict[str, str]]]:
        """The rows of one file by the value of a column, in their order."""
        groups: dict[str, list[dict[str, str]]] = {}
        for row in self.rows(name):
            groups.setdefault(row[column], []).append(row)
        return groups

    def day(self, text: str) -> date:
        return date.fromisoformat(text) + self.shift

    def day_or_none(self, text: str) -> date | None:
        return self.day(text) if text else None

    def at(self, text: str, hour: int, minute: int = 0) -> datetime:
        """A time of day, in UTC, on a day of the files."""
        return datetime.combine(self.day(text), time(hour, minute, tzinfo=UTC))

    def moment(self, text: str) -> datetime:
        return datetime.fromisoformat(text).astimezone(UTC) + self.shift

    @property
    def as_of(self) -> date:
        return SAMPLE_AS_OF + self.shift

    @property
    def are_own(self) -> bool:
        """Whether they are of a real plant: nobody's signature or name is made up for it then."""
        return False

    def author(self, of_sample_plant: str) -> str:
        """Who made what the files name nobody for."""
        return LOADED_BY if self.are_own else of_sample_plant


def read(kind: type[Any], row: dict[str, str], /, **values: object) -> Any:  # noqa: ANN401 - one reader for all kinds
    """A record from a CSV row whose columns are named like its fields, with the given values instead of text.

    An empty column is left out, so that the field keeps its default.
    """
    plain = {name: text for name, text in row.items() if text and name in kind.model_fields}
    return kind.model_validate(plain | values, strict=False)


def listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(";")) if text else ()


def number(text: str) -> float | None:
    return float(text) if text else None


def whole(text: str) -> int | None:
    return int(text) if text else None


def numbers(row: dict[str, str], names: Sequence[str]) -> dict[str, float | None]:
    return {name: number(row[name]) for name in names}
