"""docs/reference/plant-files.md says of every file and column what the readers take, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_server.backends.plant_files.columns import Column, PlantFile
from mcp_server.backends.plant_files.layout import PLANT_FILES

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "plant-files.md").read_text(encoding="utf-8")
FILES = {file.name: file for file in PLANT_FILES}


def sections() -> dict[str, str]:
    found = re.split(r"^## (\w+)\.csv$", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def table_of(section: str) -> Iterator[tuple[str, str, str, str]]:
    """Column, meaning, whether it is required, and the example."""
    for line in section.splitlines():
        if line.startswith("| `"):
            name, meaning, required, example = (cell.strip() for cell in line.strip("|").split(" | "))
            yield name.strip("`"), meaning, required, example.removeprefix("`").removesuffix("`")


def in_words(column: Column) -> str:
    match column:
        case Column(required=True):
            return "yes"
        case Column(when=(other, None)):
            return f"with {other}"
        case Column(when=(other, value)):
            return f"when {other} is {value}"
        case Column(unless=str(other)):
            return f"without {other}"
        case _:
            return "no"


def test_every_file_has_its_section_in_order() -> None:
    assert list(sections()) == list(FILES)


@pytest.mark.parametrize("file", PLANT_FILES, ids=lambda file: file.name)
def test_the_page_lists_the_columns_that_are_read_and_whether_they_are_required(file: PlantFile) -> None:
    told = {name: required for name, _, required, _ in table_of(sections()[file.name])}
    assert told == {column.name: in_words(column) for column in file.columns if column.is_read}


@pytest.mark.parametrize("file", PLANT_FILES, ids=lambda file: file.name)
def test_every_column_has_a_meaning_and_an_example_that_is_taken(file: PlantFile) -> None:
    for name, meaning, _, example in table_of(sections()[file.name]):
        assert meaning
        assert example
        assert file.by_name[name].cell.takes(example), f"{file.name} {name}: {example}"


@pytest.mark.parametrize("file", PLANT_FILES, ids=lambda file: file.name)
def test_what_is_not_read_is_named(file: PlantFile) -> None:
    (told,) = re.findall(r"^Not read: (.*)\.$", sections()[file.name], flags=re.MULTILINE) or [""]
    assert re.findall(r"`(\w+)`", told) == [column.name for column in file.columns if not column.is_read]


def test_every_reference_leads_to_a_file_with_a_key() -> None:
    for file in PLANT_FILES:
        for column in file.columns:
            assert all(FILES[target.removesuffix("@")].key for target in column.refers)
        assert set(file.key) | set(file.unique) <= set(file.by_name)
