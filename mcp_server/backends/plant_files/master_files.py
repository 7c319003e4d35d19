"""The files of what a plant has: projects, places, machines, materials, people, stock, calendar."""

from typing import get_args

from mcp_server.backends.plant_files.cells import (
    AMOUNT,
    COUNT,
    DAY,
    FLAG,
    LIST,
    MOMENT,
    NUMBER,
    POSITIVE,
    TEXT,
    TIME_ZONE,
    WHOLE,
    one_of,
)
from mcp_server.backends.plant_files.columns import PROCEDURE, PROJECT, Column, PlantFile, may, ref, texts, unread
from mcp_server.domain.records import (
    CalendarKind,
    CharacteristicKind,
    LotStatus,
    MachineStatus,
    Shift,
    SpecialClass,
    StockKind,
)

__all__ = ["MASTER_DATA_FILES"]

MASTER_DATA_FILES = (
    PlantFile(
        "projects",
        (
            *texts("project", "code", "site", "product", "status"),
            Column("sop_date", DAY),
            Column("annual_volume", COUNT),
            Column("time_zone", TIME_ZONE),
        ),
        key=("code",),
    ),
    PlantFile(
        "equipment_hierarchy",
        (*texts("code", "name", "level"), may("parent", TEXT, "equipment_hierarchy")),
        key=("code",),
    ),
    PlantFile(
        "machines",
        (
            Column("machine_id"),
            PROJECT,
            *texts("workstation", "name", "type", "make", "model", "serial"),
            Column("commissioned_on", DAY),
            Column("status", one_of(MachineStatus)),
            Column("criticality", one_of(("A", "B", "C"))),
            may("energy_sources", LIST),
            Column("meter"),
        ),
        key=("machine_id",),
        unique=("serial",),
    ),
    PlantFile(
        "materials",
        (
            Column("material_id"),
            PROJECT,
            *texts("name", "type", "standard", "revision", "uom"),
            Column("lot_tracked", FLAG),
            *texts("supplier", "status"),
        ),
        key=("material_id",),
    ),
    PlantFile(
        "specs",
        (
            Column("spec_id"),
            PROJECT,
            ref("material_id", "materials"),
            *texts("operation", "characteristic"),
            Column("kind", one_of(CharacteristicKind)),
            Column("data_type", one_of(("variable", "attribute"))),
            Column("unit"),
            *(may(name, NUMBER) for name in ("nominal", "lsl", "usl")),
            may("special_class", one_of(SpecialClass)),
            Column("gauge"),
        ),
        key=("spec_id",),
    ),
    PlantFile(
        "workstations",
        (
            Column("workstation"),
            PROJECT,
            *texts("line", "operation"),
            Column("cycle_time_s", AMOUNT),
            Column("operators", AMOUNT),
        ),
        key=("workstation",),
    ),
    PlantFile(
        "gauges",
        (
            *texts("gauge_id", "name"),
            PROJECT,
            may("resolution", NUMBER),
            Column("cal_interval_days", POSITIVE),
            Column("last_calibrated", DAY),
            Column("cal_due", DAY),
            may("grr_pct_tol", AMOUNT),
            may("ndc", WHOLE),
            *unread("overdue"),
        ),
        key=("gauge_id",),
    ),
    PlantFile(
        "people",
        (
            *texts("person_id", "name", "role"),
            may("skills", LIST),
            Column("shift", one_of(get_args(Shift))),
            PROJECT,
        ),
        key=("person_id",),
    ),
    PlantFile(
        "takt_inputs",
        (
            PROJECT,
            Column("line_group"),
            Column("shifts_per_day", POSITIVE),
            *(
                Column(name, AMOUNT)
                for name in ("shift_min", "planned_breaks_min_per_shift", "meetings_5s_min_per_shift")
            ),
            Column("days_per_week", POSITIVE),
            Column("demand_per_day", COUNT),
            *unread("takt_s"),
        ),
        key=("project", "line_group"),
    ),
    PlantFile(
        "stock_items",
        (
            Column("id"),
            PROJECT,
            Column("kind", one_of(StockKind)),
            *texts("name", "unit"),
            Column("on_hand", AMOUNT),
            Column("minimum", AMOUNT),
            Column("location"),
            may("machine_types", LIST),
            may("lead_time_days", COUNT),
        ),
        key=("id",),
    ),
    PlantFile(
        "lots",
        (
            Column("id"),
            PROJECT,
            ref("material_id", "materials"),
            Column("material_revision"),
            Column("qty", COUNT),
            Column("made_on", DAY),
            Column("status", one_of(LotStatus)),
        ),
        key=("id",),
    ),
    PlantFile(
        "training_records",
        (
            Column("id"),
            PROJECT,
            ref("person_id", "people"),
            PROCEDURE,
            Column("sop_revision", POSITIVE),
            Column("trained_on", DAY),
            may("valid_until", DAY),
        ),
        key=("id",),
    ),
    PlantFile(
        "meter_readings",
        (
            Column("id"),
            PROJECT,
            ref("machine_id", "machines"),
            Column("value", AMOUNT),
            Column("read_at", MOMENT),
        ),
        key=("id",),
    ),
    PlantFile(
        "plant_calendar",
        (
            Column("id"),
            PROJECT,
            Column("kind", one_of(CalendarKind)),
            Column("name"),
            Column("from_on", DAY),
            Column("to_on", DAY),
        ),
        key=("id",),
    ),
)
