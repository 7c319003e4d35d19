"""What is said of one file of a plant, and of one of its columns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from mcp_server.backends.plant_files.cells import TEXT, Cell, like
from mcp_server.domain.records import Hazard, PlanRow, SopStep, document_key

__all__ = [
    "DONE",
    "OWN_PROJECT",
    "PROCEDURE",
    "PROJECT",
    "Column",
    "PlantFile",
    "Row",
    "may",
    "part",
    "ref",
    "texts",
    "unread",
    "when",
]

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file.

    Attributes:
        name: as it stands in the first line.
        cell: what it holds.
        required: no cell of it is empty.
        refers: the files that a value must be an id of, with @ behind it a revision of (`CP-A-01@0001`).
        or_shared: SHARED stands for all projects.
        when: column and value that make it required; or a column that does when it is not empty (value None).
        unless: column that makes it required when it is empty.
        is_read: False for what the sample plant's files have, and nobody reads.
    """

    name: str
    cell: Cell = TEXT
    required: bool = True
    refers: tuple[str, ...] = ()
    or_shared: bool = False
    when: tuple[str, str | None] | None = None
    unless: str | None = None
    is_read: bool = True

    def is_needed(self, row: Row) -> bool:
        if self.when is not None:
            column, value = self.when
            return row[column] == value if value is not None else bool(row[column])
        return self.required or (self.unless is not None and not row[self.unless])


@dataclass(frozen=True, slots=True)
class PlantFile:
    """One file. No two rows are alike in all columns of `key`, nor in one of `unique`."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    by_name: Mapping[str, Column] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})

    def names(self, rows: Collection[Row]) -> Mapping[str, frozenset[str]]:
        """What other files may call the rows, by what `Column.refers` says: ids, and with @ revisions of documents."""
        if not self.key:
            return {}
        found = {self.name: frozenset(row[self.key[0]] for row in rows)}
        if "revision" in self.key:
            numbered = [row for row in rows if row["revision"].isdecimal()]
            found[f"{self.name}@"] = frozenset(document_key(row["id"], int(row["revision"])) for row in numbered)
        return found


def may(name: str, cell: Cell = TEXT, *refers: str, unless: str | None = None) -> Column:
    return Column(name, cell, required=False, refers=refers, unless=unless)


def when(condition: tuple[str, str | None], name: str, cell: Cell = TEXT) -> Column:
    return Column(name, cell, required=False, when=condition)


def ref(name: str, *refers: str) -> Column:
    return Column(name, refers=refers)


def unread(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, required=False, is_read=False) for name in names)


def part(kind: type[Hazard | PlanRow | SopStep], *names: str, required: bool = True) -> tuple[Column, ...]:
    return tuple(Column(name, like(kind, name), required=required) for name in names)


def texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


PROJECT = Column("project", refers=("projects",), or_shared=True)
OWN_PROJECT = Column("project", refers=("projects",))
PROCEDURE = ref("sop_id", "sops", "lockouts")
DONE = ("state", "done")
