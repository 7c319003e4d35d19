"""The rows of a plant's files with their places, and what is wrong in one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mcp_server.backends.plant_files.columns import Row

__all__ = ["Place", "Tables", "WrongCell"]


@dataclass(frozen=True, slots=True)
class Place:
    """A row of a file, and the line it begins on."""

    line: int
    values: Row


Tables = Mapping[str, Sequence[Place]]
"""By the name of the file, without `.csv`."""


@dataclass(frozen=True, slots=True)
class WrongCell:
    """One thing that is wrong. `line` 1 is the one with the columns; None stands for the file as a whole."""

    file: str
    line: int | None
    column: str | None
    message: str

    def __str__(self) -> str:
        where = [self.file, f"line {self.line}" if self.line else "", self.column or ""]
        return f"{', '.join(filter(None, where))}: {self.message}"
