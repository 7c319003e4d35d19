import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_server.backends.plant_files.checking import MOST_TOLD, WrongPlantFiles, checked_tables
from mcp_server.bundled import sample_plant_dir
from mcp_server.errors import ConfigurationError

WriteFiles = Callable[..., Path]

MATERIALS = (
    "material_id,project,name,type,standard,revision,uom,lot_tracked,supplier,status\n"
    "HSG-1,PUMP,Housing,wip,drawing 1,A,ea,Y,in-house,released\n"
)
MACHINES = (
    "machine_id,project,workstation,name,type,make,model,serial,commissioned_on,status,criticality,meter\n"
    "M-1,PUMP,OP10,Mill,cnc,Make,Model,S-1,2025-01-07,running,A,spindle_h\n"
)


def wrong_in(folder: Path) -> list[str]:
    with pytest.raises(WrongPlantFiles) as raised:
        checked_tables(folder)
    return [str(wrong) for wrong in raised.value.wrong]


def sample_with(tmp_path: Path, file: str, old: str, new: str) -> Path:
    folder = tmp_path / "sample"
    shutil.copytree(sample_plant_dir(), folder)
    path = folder / f"{file}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_the_sample_plant_is_in_order() -> None:
    tables = checked_tables(sample_plant_dir())
    assert len(tables["machines"]) == 42


def test_every_wrong_cell_of_all_files_is_named_at_once(plant: WriteFiles) -> None:
    folder = plant(
        machines=MACHINES.replace("running", "runing") + "M-1,PUMPS,OP10,Mill,cnc,Make,Model,S-1,7.1.2025,idle,A,h\n",
        materials=MATERIALS.replace(",Housing,", ",,"),
        lots="id,project,material_id,material_revision,qty,made_on,status\nL-1,PUMP,HSG-2,A,many,2025-01-07,released\n",
    )
    assert wrong_in(folder) == [
        (
            "machines.csv, line 2, status: 'runing' is not right. Write one of running, idle, standby, down, "
            "maintenance, commissioning, decommissioned."
        ),
        "machines.csv, line 3, project: 'PUMPS' is not in projects.csv. Did you mean PUMP?",
        (
            "machines.csv, line 3, commissioned_on: '7.1.2025' is not right. Write a day as year-month-day, such as "
            "2026-06-30."
        ),
        "machines.csv, line 3, machine_id: 'M-1' stands in line 2 already. Write each only once.",
        "machines.csv, line 3, serial: 'S-1' stands in line 2 already. Write each only once.",
        "materials.csv, line 2, name: It is empty. Write text.",
        "lots.csv, line 2, material_id: 'HSG-2' is not in materials.csv. Did you mean HSG-1?",
        "lots.csv, line 2, qty: 'many' is not right. Write a whole number from 0 on.",
    ]


def test_lines_are_counted_as_an_editor_does(plant: WriteFiles) -> None:
    rows = 'HSG-2,PUMP,"Housing,\nsecond",wip,d,A,ea,Y,x,released\n\nHSG-3,PUMP,H,wip,d,A,ea,maybe,x,released\n'
    assert wrong_in(plant(materials=MATERIALS + rows)) == [
        "materials.csv, line 6, lot_tracked: 'maybe' is not right. Write Y or N."
    ]


def test_columns_are_named_when_missing_misspelled_or_twice(plant: WriteFiles) -> None:
    folder = plant(materials=MATERIALS.replace("supplier", "suplier").replace("name", "uom"))
    assert wrong_in(folder) == [
        "materials.csv, line 1, uom: The column is there twice. Delete one.",
        "materials.csv, line 1, suplier: There is no such column. Did you mean supplier?",
        "materials.csv, line 1, name: The column is missing. It holds text.",
        "materials.csv, line 1, supplier: The column is missing. It holds text.",
    ]


def test_a_file_that_cannot_be_read_does_not_make_every_reference_to_it_wrong(plant: WriteFiles) -> None:
    folder = plant(
        materials="material_id\n",
        lots="id,project,material_id,material_revision,qty,made_on,status\nL-1,PUMP,HSG-1,A,5,2025-01-07,released\n",
    )
    assert {line.partition(",")[0] for line in wrong_in(folder)} == {"materials.csv"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"code;name;level\nA;B;site\n", "separated by semicolons"),
        (b"code,name,level\nA,B\xe9,site\n", "line 2: It holds a character that is not UTF-8"),
        (b"code,name,level\nA,B,site,LAK\n", "line 2: It has 4 cells for 3 columns"),
        (b'code,name,level\nA,"B,site\n', "line 2: It cannot be read as CSV"),
        (b"", "line 1: The line with the columns is missing"),
    ],
    ids=["semicolons", "latin-1", "more cells", "open quote", "empty"],
)
def test_a_file_of_another_form_says_what_it_is(plant: WriteFiles, content: bytes, told: str) -> None:
    folder = plant()
    (folder / "equipment_hierarchy.csv").write_bytes(content)
    (line,) = wrong_in(folder)
    assert line.startswith("equipment_hierarchy.csv, ")
    assert told in line


def test_a_file_of_a_spreadsheet_is_read_with_its_mark_and_blanks(plant: WriteFiles) -> None:
    folder = plant()
    content = b"\xef\xbb\xbfcode , name,level,parent\r\n N1 , North ,site,\r\n,,,\r\n"
    (folder / "equipment_hierarchy.csv").write_bytes(content)
    (place,) = checked_tables(folder)["equipment_hierarchy"]
    assert dict(place.values) == {"code": "N1", "name": "North", "level": "site", "parent": ""}


def test_a_file_nobody_reads_is_named_with_the_one_that_was_meant(plant: WriteFiles) -> None:
    assert wrong_in(plant(machine="machine_id\n", vacations="x\n")) == [
        "machine.csv: No such file is read. Did you mean machines?",
        "vacations.csv: No such file is read. Delete it, or correct its name.",
    ]


def test_only_so_many_are_told_and_all_are_counted(plant: WriteFiles) -> None:
    rows = "".join(f"P{number},,site\n" for number in range(MOST_TOLD + 30))
    with pytest.raises(WrongPlantFiles, match=f"wrong in {MOST_TOLD + 30} places; nothing was stored") as raised:
        checked_tables(plant(equipment_hierarchy=f"code,name,level\n{rows}"))
    assert len(raised.value.wrong) == MOST_TOLD


def test_a_long_value_is_cut_short(plant: WriteFiles) -> None:
    (line,) = wrong_in(plant(machines=MACHINES.replace("running", "x" * 5_000)))
    assert len(line) < 250


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("work_orders", ",done,", ",finished,", "line 2, state: 'finished' is not right"),
        ("work_orders", "2026-03-07T15:50:00+00:00", "", "completed_at: It is empty. Write a time"),
        ("pm_plans", "calendar,7,d", "calendar,7,w", "line 3, unit: 'w' is not right. For a calendar, write d"),
        ("specs", "57.0,57.03", "57.03,57.0", "line 2, lsl: 57.03 is not below usl, 57"),
        ("quality_plans", ",superseded,", ",released,", "state: Another revision of CP-A-01 is released, too"),
        ("checklist_items", "CHK-A-010,,", "CHK-A-010,3,", "plan_row: The checklist has no control plan"),
        ("inspection_results", "CHK-A-020,1,", "CHK-A-020,99,", "checklist_item: 99 is too much: CHK-A-020 has"),
        (
            "quality_plan_rows",
            "CP-A-01@0001",
            "CP-A-01",
            "plan_key: 'CP-A-01' is not in quality_plans.csv",
        ),
        ("checklists", ",CP-A-01,", ",CP-A-01@0002,", "plan_id: 'CP-A-01@0002' is not in quality_plans.csv"),
        ("quality_plan_rows", "CP-A-01@0001", "CP-A-01@0009", "plan_key: 'CP-A-01@0009' is not in quality_plans.csv"),
        ("lockouts", "MC-101;MC-102", "MC-101;MC-999", "machine_ids: 'MC-999' is not in machines.csv"),
        ("projects", "America/Chicago", "Chicago", "time_zone: 'Chicago' is not right. Write a time zone"),
    ],
)
def test_what_cells_and_files_must_agree_on_is_checked(
    tmp_path: Path, file: str, old: str, new: str, told: str
) -> None:
    folder = sample_with(tmp_path, file, old, new)
    assert any(line.startswith(f"{file}.csv, line ") and told in line for line in wrong_in(folder))


@pytest.mark.parametrize("there", [True, False], ids=["no projects", "no folder"])
def test_a_folder_without_projects_is_refused(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "plant"
    if there:
        folder.mkdir()
    with pytest.raises(ConfigurationError, match=r"projects\.csv" if there else "no folder"):
        checked_tables(folder)


def test_a_plant_without_any_project_is_refused(plant: WriteFiles) -> None:
    folder = plant(projects="project,code,site,product,status,sop_date,annual_volume,time_zone\n")
    assert wrong_in(folder) == ["projects.csv: There is no project in it. Write at least one row."]
