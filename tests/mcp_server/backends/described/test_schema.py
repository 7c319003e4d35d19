import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_server.backends.described.kinds import RECORD_KINDS
from mcp_server.backends.described.loading import load_description
from mcp_server.backends.described.schema import description_schema, keys_at, known_as
from mcp_server.bundled import schemas_dir

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "backend-description.md"


def keys_of(schema: Any) -> Iterator[str]:
    """Every key that may be written anywhere in a description."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from keys_of(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from keys_of(part)


def test_the_published_schema_is_the_one_of_the_program() -> None:
    written = json.loads((schemas_dir() / "backend.schema.json").read_text(encoding="utf-8"))
    assert written == description_schema()
    assert set(written["properties"]["records"]["propertyNames"]["enum"]) == RECORD_KINDS.keys()


def test_every_key_says_what_it_is_for() -> None:
    silent = {
        f"{name}.{key}"
        for name, model in description_schema()["$defs"].items()
        for branch in (model, *model.get("anyOf", ()))
        for key, schema in branch.get("properties", {}).items()
        if key != "style" and "description" not in schema
    }
    assert silent == set()


@pytest.mark.parametrize("key", sorted(set(keys_of(description_schema()))))
def test_every_key_stands_in_the_reference_with_an_example(key: str) -> None:
    rows = [line for line in REFERENCE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    named = [row for row in rows if re.match(rf"\| `(\w+\.)?{key}` \|", row)]
    assert named
    assert all(cell.strip() for row in named for cell in re.split(r"(?<!\\)\|", row)[1:3])


@pytest.mark.parametrize("kind", sorted(RECORD_KINDS))
def test_every_kind_of_record_stands_in_the_reference(kind: str) -> None:
    assert f"`{kind}`" in REFERENCE.read_text(encoding="utf-8")


def test_the_reference_names_no_key_that_is_unknown() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(?:\w+\.)?(\w+)` \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE))
    styles = {"none", "offset", "page", "range", "cursor"}
    assert named - styles <= set(keys_of(description_schema()))
    assert len(named) > 40


def test_the_small_file_of_the_reference_describes_a_system(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "small.yaml"
    path.write_text(text, encoding="utf-8")
    assert list(load_description(path).records) == ["work_order"]


def test_the_examples_of_the_paging_styles_are_right(tmp_path: Path) -> None:
    [small] = re.findall(r"```yaml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    examples = re.findall(r"`(\{style: [^`]+\})`", REFERENCE.read_text(encoding="utf-8"))
    assert len(examples) >= 5
    for example in examples:
        description = yaml.safe_load(small)
        description["records"]["work_order"]["list"]["paging"] = yaml.safe_load(example)
        (tmp_path / "paged.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
        style = load_description(tmp_path / "paged.yaml").records["work_order"].list.paging.style
        assert f"style: {style}" in example


def test_the_schema_knows_the_keys_of_a_place_and_what_they_are_for() -> None:
    assert "start_name" in keys_at(("records", "machine", "list", "paging"))
    assert "scale" in keys_at(("records", "machine", "fields", "name"))
    assert keys_at(("name", "x")) == ()
    assert known_as(("auth", "login", "token")) == "Where the token stands in the answer"
