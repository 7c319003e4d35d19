"""Finds every wrong row of a plant's files, and says of each where it stands and what to write."""

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from mcp_server.backends.plant_files.columns import Column, PlantFile, Row
from mcp_server.backends.plant_files.layout import PLANT_FILES
from mcp_server.backends.plant_files.rules import broken_rules
from mcp_server.backends.plant_files.tables import Place, Tables, WrongCell
from mcp_server.domain.records import SHARED
from mcp_server.errors import ConfigurationError

__all__ = ["MOST_TOLD", "WrongPlantFiles", "checked_tables"]

MOST_TOLD = 100
_MOST_COMPARED = 2_000
_MOST_SHOWN = 60
_DELETE = " Delete it, or correct its name."
_SEE = "docs/reference/plant-files.md says what stands in each file."
_FILES = {file.name: file for file in PLANT_FILES}


class WrongPlantFiles(ConfigurationError):
    """The files cannot be loaded as they are. `wrong` holds the first of what is wrong, of `total` in all."""

    def __init__(self, folder: Path, wrong: Sequence[WrongCell]) -> None:
        self.total = len(wrong)
        self.wrong = tuple(wrong[:MOST_TOLD])
        places = "one place" if self.total == 1 else f"{self.total} places"
        super().__init__(f"The files in {folder} are wrong in {places}; nothing was stored.", suggestion=_SEE)


def checked_tables(folder: Path) -> Tables:
    """The rows of every file, each with all columns, its cells without blanks around them.

    Raises:
        ConfigurationError: there is no such folder, or no projects.csv in it.
        WrongPlantFiles: something in them is wrong.
    """
    _check_folder(folder)
    wrong = list(_unknown_files(folder))
    tables: dict[str, Sequence[Place]] = {}
    names: dict[str, frozenset[str] | None] = {}
    for file in PLANT_FILES:
        path = folder / f"{file.name}.csv"
        found = list(_rows(file, path)) if path.exists() else []
        unread = [each for each in found if isinstance(each, WrongCell)]
        rows = tables[file.name] = [each for each in found if isinstance(each, Place)]
        known = file.names([place.values for place in rows])
        names |= dict.fromkeys(known) if unread else known
        wrong += unread
    for file in PLANT_FILES:
        for place in tables[file.name]:
            wrong += _wrong_cells(file, place, names)
        wrong += _doubles(file, tables[file.name])
    wrong = wrong or list(broken_rules(tables))
    if wrong:
        raise WrongPlantFiles(folder, wrong)
    return tables


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ConfigurationError(
            f"There is no folder {folder}.", suggestion="Name the folder that holds the plant's CSV files with --plant."
        )
    if not (folder / "projects.csv").is_file():
        raise ConfigurationError(
            f"There is no projects.csv in {folder}.", suggestion=f"It is the one file that a plant must have. {_SEE}"
        )


def _unknown_files(folder: Path) -> Iterator[WrongCell]:
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in _FILES:
            told = f"No such file is read.{_meant(path.stem, _FILES, otherwise=_DELETE)}"
            yield WrongCell(path.name, None, None, told)


def _rows(file: PlantFile, path: Path) -> Iterator[Place | WrongCell]:
    """The rows of one file that can be read at all, and what is wrong with the others."""
    try:
        content = path.read_bytes()
    except OSError as error:
        yield WrongCell(path.name, None, None, f"It cannot be read: {error.strerror}.")
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        yield WrongCell(path.name, line, None, "It holds a character that is not UTF-8. Save the file as CSV in UTF-8.")
        return
    yield from _parsed(file, path.name, text)


def _parsed(file: PlantFile, name: str, text: str) -> Iterator[Place | WrongCell]:
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    columns: list[str] | None = None
    line = 1
    try:
        for values in reader:
            cells = [value.strip() for value in values]
            if columns is None:
                columns = cells
                if wrong := list(_wrong_columns(file, name, columns)):
                    yield from wrong
                    return
            elif any(cells):
                yield _row(file, name, line, columns, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        yield WrongCell(name, line, None, f"It cannot be read as CSV ({error}). Put quotes around text with a comma.")
    if columns is None:
        yield WrongCell(name, 1, None, "The line with the columns is missing.")


def _row(file: PlantFile, name: str, line: int, columns: Sequence[str], cells: Sequence[str]) -> Place | WrongCell:
    if len(cells) > len(columns):
        told = f"It has {len(cells)} cells for {len(columns)} columns. Put quotes around text with a comma."
        return WrongCell(name, line, None, told)
    given = dict(zip(columns, cells, strict=False))
    return Place(line, {column.name: given.get(column.name, "") for column in file.columns})


def _wrong_columns(file: PlantFile, name: str, columns: Sequence[str]) -> Iterator[WrongCell]:
    if columns[:1] and ";" in columns[0]:
        yield WrongCell(name, 1, None, "Its columns are separated by semicolons. Save it with commas between them.")
        return
    for column, times in Counter(columns).items():
        if column not in file.by_name:
            told = f"There is no such column.{_meant(column, file.by_name, otherwise=_DELETE)}"
            yield WrongCell(name, 1, column or None, told)
        elif times > 1:
            yield WrongCell(name, 1, column, "The column is there twice. Delete one.")
    for column in file.columns:
        if column.required and column.name not in columns:
            yield WrongCell(name, 1, column.name, f"The column is missing. It holds {column.cell.words}.")


def _wrong_cells(file: PlantFile, place: Place, names: Mapping[str, frozenset[str] | None]) -> Iterator[WrongCell]:
    for column in file.columns:
        if column.is_read and (message := _problem(column, place.values, names)):
            yield WrongCell(f"{file.name}.csv", place.line, column.name, message)


def _problem(column: Column, row: Row, names: Mapping[str, frozenset[str] | None]) -> str | None:
    text = row[column.name]
    if not text:
        return f"It is empty. Write {column.cell.words}." if column.is_needed(row) else None
    if not column.cell.takes(text):
        return f"{_shown(text)} is not right. Write {column.cell.words}."
    if not column.refers or (column.or_shared and text == SHARED):
        return None
    known = [names[file] for file in column.refers]
    if None in known:
        return None  # what is wrong with that file is told already
    everything = frozenset[str]().union(*(each or () for each in known))
    if lost := [part for part in (text.split(";") if column.cell.is_list else [text]) if part not in everything]:
        where = " or ".join(f"{file.removesuffix('@')}.csv" for file in column.refers)
        return f"{_shown(', '.join(lost))} is not in {where}.{_meant(lost[0], everything)}"
    return None


def _doubles(file: PlantFile, rows: Sequence[Place]) -> Iterator[WrongCell]:
    for columns in (file.key, *((column,) for column in file.unique)):
        first: dict[tuple[str, ...], int] = {}
        for place in rows if columns else ():
            value = tuple(place.values[column] for column in columns)
            if all(value) and value in first:
                told = f"{_shown(' '.join(value))} stands in line {first[value]} already. Write each only once."
                yield WrongCell(f"{file.name}.csv", place.line, columns[0], told)
            first.setdefault(value, place.line)


def _meant(word: str, known: Collection[str], *, otherwise: str = "") -> str:
    close = get_close_matches(word, known, n=1) if len(known) <= _MOST_COMPARED else []
    return f" Did you mean {close[0]}?" if close else otherwise


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")
