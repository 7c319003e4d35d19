"""Records of a plant's own files."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pydantic import ValidationError

from mcp_server.backends.plant_files.checking import checked_tables
from mcp_server.backends.plant_files.tables import Tables
from mcp_server.backends.sql.seed import records_of
from mcp_server.backends.sql.seed_files import SampleFiles
from mcp_server.domain.records import Record
from mcp_server.errors import ConfigurationError

__all__ = ["own_records"]


def own_records(folder: Path, loaded_on: date) -> list[Record]:
    """Every record that the files tell of, in the order that their references need; their dates are taken as they are.

    Args:
        folder: holds projects.csv, and any of the others.
        loaded_on: the day of what has no date in the files.

    Raises:
        ConfigurationError: there is no such folder, or the files are wrong; `WrongPlantFiles` says where.
    """
    tables = checked_tables(folder)
    try:
        return records_of(_OwnFiles(folder, timedelta(0), loaded_on, tables))
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)}))
        raise ConfigurationError(
            f"The files in {folder} make no {error.title}: {fields}; nothing was stored.",
            suggestion="Correct these columns; docs/reference/plant-files.md says what stands in each.",
        ) from error


@dataclass(frozen=True, slots=True)
class _OwnFiles(SampleFiles):
    """Files of a real plant, read and checked already."""

    loaded_on: date
    tables: Tables

    @property
    def are_own(self) -> bool:
        return True

    @property
    def as_of(self) -> date:
        return self.loaded_on

    def rows(self, name: str) -> list[dict[str, str]]:
        return [dict(place.values) for place in self.tables[name]]
