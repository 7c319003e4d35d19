"""The plant itself: projects, places, machines, materials, specifications, gauges, people, stock, calendar."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Literal

from mcp_server.domain.records.base import Record

__all__ = [
    "CalendarKind",
    "CharacteristicKind",
    "EquipmentNode",
    "Gauge",
    "Lot",
    "LotStatus",
    "Machine",
    "MachineStatus",
    "Material",
    "MeterReading",
    "Person",
    "PlantDay",
    "Project",
    "Shift",
    "Spec",
    "SpecialClass",
    "StockItem",
    "StockKind",
    "TaktInputs",
    "TrainingRecord",
    "Workstation",
]


class MachineStatus(StrEnum):
    RUNNING = "running"
    IDLE = "idle"
    STANDBY = "standby"
    DOWN = "down"
    MAINTENANCE = "maintenance"
    COMMISSIONING = "commissioning"
    DECOMMISSIONED = "decommissioned"


class CharacteristicKind(StrEnum):
    PRODUCT = "product"
    PROCESS = "process"


class SpecialClass(StrEnum):
    """CC = safety or regulatory, SC = fit or function (IATF 16949 8.3.3.3; the drawn symbol is the customer's)."""

    CC = "CC"
    SC = "SC"


class LotStatus(StrEnum):
    RELEASED = "released"
    QUARANTINE = "quarantine"
    CONSUMED = "consumed"


class StockKind(StrEnum):
    TOOL = "tool"
    PPE = "ppe"
    CONSUMABLE = "consumable"
    SPARE_PART = "spare_part"


class CalendarKind(StrEnum):
    """`holiday` and `shutdown`: no production; `freeze`: production must not be disturbed."""

    HOLIDAY = "holiday"
    SHUTDOWN = "shutdown"
    FREEZE = "freeze"


Shift = Literal["A", "B", "C"]
"""A 06:00-14:00, B 14:00-22:00, C 22:00-06:00, in the site's own time."""


class Project(Record):
    """`id` is the project code (`ALPHA`), `time_zone` an IANA name, `annual_volume` in pieces."""

    noun: ClassVar[str] = "project"

    name: str
    site: str
    product: str
    status: str
    sop_date: date
    annual_volume: int
    time_zone: str


class EquipmentNode(Record):
    """A place in the ISA-95 hierarchy above the work units: enterprise, site, area or work center."""

    noun: ClassVar[str] = "place"

    name: str
    level: str
    parent: str | None = None


class Machine(Record):
    """A work unit of ISA-95; `meter` is the unit its meter counts (`spindle_h`, `cycles`).

    Not every system of record knows the day a machine was commissioned.
    """

    noun: ClassVar[str] = "machine"

    project: str
    workstation: str
    name: str
    type: str
    make: str
    model: str
    serial: str
    commissioned_on: date | None = None
    status: MachineStatus
    criticality: Literal["A", "B", "C"]
    energy_sources: tuple[str, ...]
    meter: str


class Material(Record):
    noun: ClassVar[str] = "material"

    project: str
    name: str
    type: str
    standard: str
    revision: str
    uom: str
    lot_tracked: bool
    supplier: str
    status: str


class Spec(Record):
    """One characteristic with its limits in `unit`; a one-sided characteristic has only one limit."""

    noun: ClassVar[str] = "specification"

    project: str
    material_id: str
    operation: str
    characteristic: str
    kind: CharacteristicKind
    data_type: Literal["variable", "attribute"]
    unit: str
    nominal: float | None = None
    lsl: float | None = None
    usl: float | None = None
    special_class: SpecialClass | None = None
    gauge: str


class Workstation(Record):
    """`cycle_time_s` in seconds a piece, `operators` as a share of a person."""

    noun: ClassVar[str] = "workstation"

    project: str
    line: str
    operation: str
    cycle_time_s: float
    operators: float


class Gauge(Record):
    """`resolution` in the unit it measures, `grr_pct` gauge R&R in percent of tolerance, `ndc` distinct categories."""

    noun: ClassVar[str] = "gauge"

    project: str
    name: str
    resolution: float | None = None
    cal_interval_days: int
    last_calibrated: date
    cal_due: date
    grr_pct: float | None = None
    ndc: int | None = None


class Person(Record):
    """`skills` are words such as `mechanical` or `loto_authorized`; a role such as `quality_engineer`."""

    noun: ClassVar[str] = "person"

    project: str
    name: str
    role: str
    skills: tuple[str, ...]
    shift: Shift


class TrainingRecord(Record):
    """A person was trained on one revision of a procedure; `valid_until` is the last day it counts."""

    noun: ClassVar[str] = "training record"

    project: str
    person_id: str
    sop_id: str
    sop_revision: int
    trained_on: date
    valid_until: date | None = None


class StockItem(Record):
    """A tool, protective equipment, consumable or spare part; quantities in `unit`. `machine_types` it fits, if any."""

    noun: ClassVar[str] = "stock item"

    project: str
    kind: StockKind
    name: str
    unit: str
    on_hand: float
    minimum: float
    location: str
    machine_types: tuple[str, ...] = ()
    lead_time_days: int | None = None


class Lot(Record):
    """A quantity of one material made or received together; `qty` in the material's unit."""

    noun: ClassVar[str] = "lot"

    project: str
    material_id: str
    material_revision: str
    qty: int
    made_on: date
    status: LotStatus


class MeterReading(Record):
    """`value` in the unit of the machine's meter."""

    noun: ClassVar[str] = "meter reading"

    project: str
    machine_id: str
    value: float
    read_at: datetime


class PlantDay(Record):
    """Days of the site's calendar on which something is different; both days are included."""

    noun: ClassVar[str] = "calendar entry"

    project: str
    kind: CalendarKind
    name: str
    from_on: date
    to_on: date


class TaktInputs(Record):
    """What takt time is computed from: minutes a shift, demand in pieces a day. `line_group` is `all` or a line."""

    noun: ClassVar[str] = "takt input"

    project: str
    line_group: str
    shifts_per_day: int
    shift_min: float
    planned_breaks_min_per_shift: float
    meetings_5s_min_per_shift: float
    days_per_week: int
    demand_per_day: int
