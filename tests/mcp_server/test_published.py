import json
from pathlib import Path

import pytest

from mcp_server.published import compare_schemas, write_schemas

TOOLS = {"get_a": {"name": "get_a", "title": "Ölstand"}, "log_b": {"name": "log_b"}}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    assert write_schemas(tmp_path, TOOLS) == ["get_a", "log_b"]
    return tmp_path


def test_what_was_written_is_what_hosts_see_and_compares_equal(written: Path) -> None:
    assert json.loads((written / "tools" / "get_a.json").read_bytes()) == TOOLS["get_a"]
    assert compare_schemas(written, TOOLS) == []


def test_writing_again_touches_nothing(written: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*.json")}
    assert write_schemas(written, TOOLS) == []
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*.json")} == before


def test_a_changed_a_missing_and_a_superfluous_schema_are_each_named_and_repaired(written: Path) -> None:
    (written / "tools" / "get_a.json").write_text("{}")
    (written / "tools" / "log_b.json").rename(written / "tools" / "gone.json")
    differences = compare_schemas(written, TOOLS)
    assert [line.partition(":")[0] for line in differences] == ["get_a", "log_b", "gone"]
    assert write_schemas(written, TOOLS) == ["get_a", "log_b", "gone"]
    assert compare_schemas(written, TOOLS) == []
    assert not (written / "tools" / "gone.json").exists()


def test_a_folder_that_is_not_there_lacks_every_schema(tmp_path: Path) -> None:
    assert len(compare_schemas(tmp_path / "nowhere", TOOLS)) == 2


def test_files_beside_the_tools_are_left_alone(written: Path) -> None:
    (written / "agent.schema.json").write_text("{}")
    assert write_schemas(written, TOOLS) == []
    assert compare_schemas(written, TOOLS) == []
    assert (written / "agent.schema.json").exists()


def test_the_schema_of_a_file_that_people_write_is_kept_beside_the_tools(written: Path) -> None:
    files = {"backend.schema.json": {"type": "object"}}
    assert compare_schemas(written, TOOLS, files) == ["backend.schema.json: no schema is written"]
    assert write_schemas(written, TOOLS, files) == ["backend.schema.json"]
    assert compare_schemas(written, TOOLS, files) == []
    (written / "backend.schema.json").write_text("{}")
    assert compare_schemas(written, TOOLS, files) == ["backend.schema.json: the program and its written schema differ"]
    assert (written / "tools" / "get_a.json").exists()
