"""`shopfloor-mcp seed --plant` as a person or a script meets it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mcp_server.cli import app

PROJECTS = (
    "project,code,site,product,status,sop_date,annual_volume,time_zone\n"
    "Pumps,PUMP,N1,Oil pump,production,2025-01-07,1000,Europe/Prague\n"
)
PLACES = "code,name,level,parent\nN1,North,site,\nN1-A,Assembly,area,{}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "projects.csv").write_text(PROJECTS, encoding="utf-8")
    return tmp_path / "files"


def seed(folder: Path, *arguments: str, stdin: str = "") -> Result:
    options = ["--plant", str(folder), "--data-dir", str(folder.parent / "data")]
    return CliRunner().invoke(app, ["seed", *options, *arguments], input=stdin)


def test_what_was_stored_is_counted(folder: Path) -> None:
    (folder / "equipment_hierarchy.csv").write_text(PLACES.format("N1"), encoding="utf-8")
    done = seed(folder)
    assert (done.exit_code, done.stdout) == (0, "     1 projects\n     2 equipment\n")


def test_wrong_rows_are_listed_and_nothing_is_stored(folder: Path) -> None:
    (folder / "equipment_hierarchy.csv").write_text(PLACES.format("N1-B"), encoding="utf-8")
    done = seed(folder)
    assert done.exit_code == 1
    assert done.stdout == (
        "equipment_hierarchy.csv, line 3, parent: 'N1-B' is not in equipment_hierarchy.csv. Did you mean N1-A?\n"
    )
    assert "wrong in one place; nothing was stored." in done.stderr
    assert not (folder.parent / "data").exists()


def test_a_script_gets_file_line_and_column(folder: Path) -> None:
    (folder / "equipment_hierarchy.csv").write_text(PLACES.format("N1-B"), encoding="utf-8")
    done = seed(folder, "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["seeded"], answer["wrong_total"]) == (1, False, 1)
    (wrong,) = answer["wrong"]
    assert (wrong["file"], wrong["line"], wrong["column"]) == ("equipment_hierarchy.csv", 3, "parent")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = seed(tmp_path / "nowhere")
    assert done.exit_code == 1
    assert "There is no folder" in done.stderr


def test_wrong_files_never_erase_what_is_there(folder: Path) -> None:
    assert seed(folder).exit_code == 0
    (folder / "projects.csv").write_text(PROJECTS.replace("Europe/Prague", "Prague"), encoding="utf-8")
    assert seed(folder, "--erase", "--yes").exit_code == 1
    (folder / "projects.csv").write_text(PROJECTS, encoding="utf-8")
    assert "holds a plant already" in seed(folder).stderr
    assert seed(folder, "--erase", "--yes").stdout == "     1 projects\n"
