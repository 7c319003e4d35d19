"""Master data of the sample plant: projects, places, machines, materials, people, and what takt is computed from."""

from collections.abc import Iterator

from mcp_server.backends.sql.seed_files import SampleFiles, listed, number, read, whole
from mcp_server.domain.records import (
    EquipmentNode,
    Gauge,
    Machine,
    Material,
    Person,
    Project,
    Spec,
    TaktInputs,
    Workstation,
)

__all__ = ["equipment", "gauges", "machines", "materials", "people", "projects", "specs", "takt_inputs", "workstations"]


def projects(files: SampleFiles) -> Iterator[Project]:
    for row in files.rows("projects"):
        yield read(Project, row, id=row["code"], name=row["project"], sop_date=files.day(row["sop_date"]))


def equipment(files: SampleFiles) -> Iterator[EquipmentNode]:
    for row in files.rows("equipment_hierarchy"):
        yield read(EquipmentNode, row, id=row["code"])


def machines(files: SampleFiles) -> Iterator[Machine]:
    for row in files.rows("machines"):
        yield read(
            Machine,
            row,
            id=row["machine_id"],
            commissioned_on=files.day(row["commissioned_on"]),
            energy_sources=listed(row["energy_sources"]),
        )


def materials(files: SampleFiles) -> Iterator[Material]:
    for row in files.rows("materials"):
        yield read(Material, row, id=row["material_id"], lot_tracked=row["lot_tracked"] == "Y")


def specs(files: SampleFiles) -> Iterator[Spec]:
    for row in files.rows("specs"):
        yield read(Spec, row, id=row["spec_id"])


def workstations(files: SampleFiles) -> Iterator[Workstation]:
    for row in files.rows("workstations"):
        yield read(Workstation, row, id=row["workstation"])


def gauges(files: SampleFiles) -> Iterator[Gauge]:
    for row in files.rows("gauges"):
        yield read(
            Gauge,
            row,
            id=row["gauge_id"],
            last_calibrated=files.day(row["last_calibrated"]),
            cal_due=files.day(row["cal_due"]),
            grr_pct=number(row["grr_pct_tol"]),
            ndc=whole(row["ndc"]),
        )


def people(files: SampleFiles) -> Iterator[Person]:
    for row in files.rows("people"):
        yield read(Person, row, id=row["person_id"], skills=listed(row["skills"]))


def takt_inputs(files: SampleFiles) -> Iterator[TaktInputs]:
    for row in files.rows("takt_inputs"):
        yield read(TaktInputs, row, id=f"TI-{row['project']}-{row['line_group'].upper()}")
