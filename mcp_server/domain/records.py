"""The records a plant keeps. One frozen model each; a backend stores and returns exactly these.

Identifiers are the plant's own (`MC-103`, `SP-001`). `project` is a project code, or `SHARED` for what several use.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "SHARED",
    "CharacteristicKind",
    "ControlMethod",
    "EquipmentNode",
    "Gauge",
    "InspectionLevel",
    "Issue",
    "IssueCategory",
    "IssueState",
    "Machine",
    "MachineStatus",
    "Material",
    "Phase",
    "PlanRow",
    "PlanState",
    "PreferredAql",
    "Project",
    "QualityPlan",
    "Record",
    "Sampling",
    "Severity",
    "Spec",
    "SpecialClass",
    "Workstation",
]

SHARED = "SHARED"
"""The project of machines, materials and gauges that every project of the plant uses."""


class Record(BaseModel):
    """Base of all records: immutable, strict about its fields, without NaN or infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True, use_enum_values=False
    )

    id: str


class MachineStatus(StrEnum):
    RUNNING = "running"
    IDLE = "idle"
    STANDBY = "standby"
    DOWN = "down"
    MAINTENANCE = "maintenance"
    COMMISSIONING = "commissioning"
    DECOMMISSIONED = "decommissioned"


class Phase(StrEnum):
    """Control plan phases: IATF 16949 Annex A; `safe_launch` is AIAG CP-1 (2024)."""

    PROTOTYPE = "prototype"
    PRE_LAUNCH = "pre_launch"
    SAFE_LAUNCH = "safe_launch"
    PRODUCTION = "production"


class PlanState(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    RELEASED = "released"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


class CharacteristicKind(StrEnum):
    PRODUCT = "product"
    PROCESS = "process"


class SpecialClass(StrEnum):
    """CC = safety or regulatory, SC = fit or function (IATF 16949 8.3.3.3; the drawn symbol is the customer's)."""

    CC = "CC"
    SC = "SC"


class Sampling(StrEnum):
    FIXED = "fixed"
    AQL = "aql"
    FULL = "full"


class ControlMethod(StrEnum):
    SPC_CHART = "spc_chart"
    INSPECTION_RECORD = "inspection_record"
    ERROR_PROOFING = "error_proofing"
    AUTOMATIC_GAUGING = "automatic_gauging"
    FIRST_LAST_PIECE = "first_last_piece"
    PARAMETER_MONITORING = "parameter_monitoring"
    VISUAL_STANDARD = "visual_standard"


InspectionLevel = Literal["I", "II", "III", "S-1", "S-2", "S-3", "S-4"]

PreferredAql = Literal[
    "0.010", "0.015", "0.025", "0.040", "0.065", "0.10", "0.15", "0.25", "0.40", "0.65", "1.0", "1.5", "2.5",
    "4.0", "6.5", "10", "15", "25", "40", "65", "100", "150", "250", "400", "650", "1000",
]  # fmt: skip
"""Percent nonconforming up to 10, nonconformities per 100 units above."""


class IssueCategory(StrEnum):
    QUALITY = "quality"
    EQUIPMENT = "equipment"
    PROCESS = "process"
    SAFETY = "safety"
    SUPPLIER = "supplier"
    CUSTOMER = "customer"
    DOCUMENT = "document"
    MEASUREMENT = "measurement"


class Severity(StrEnum):
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class IssueState(StrEnum):
    OPEN = "open"
    TRIAGED = "triaged"
    CONTAINED = "contained"
    INVESTIGATING = "investigating"
    ACTION_PLANNED = "action_planned"
    ACTION_IMPLEMENTED = "action_implemented"
    VERIFYING = "verifying"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    REOPENED = "reopened"


class Project(Record):
    """`id` is the project code (`ALPHA`), `time_zone` an IANA name, `annual_volume` in pieces."""

    name: str
    site: str
    product: str
    status: str
    sop_date: date
    annual_volume: int
    time_zone: str


class EquipmentNode(Record):
    """A place in the ISA-95 hierarchy above the work units: enterprise, site, area or work center."""

    name: str
    level: str
    parent: str | None = None


class Machine(Record):
    """A work unit of ISA-95; `meter` is the unit its meter counts (`spindle_h`, `cycles`)."""

    project: str
    workstation: str
    name: str
    type: str
    make: str
    model: str
    serial: str
    commissioned_on: date
    status: MachineStatus
    criticality: Literal["A", "B", "C"]
    energy_sources: tuple[str, ...]
    meter: str


class Material(Record):
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

    project: str
    line: str
    operation: str
    cycle_time_s: float
    operators: float


class Gauge(Record):
    """`resolution` in the unit it measures, `grr_pct` gauge R&R in percent of tolerance, `ndc` distinct categories."""

    project: str
    name: str
    resolution: float | None = None
    cal_interval_days: int
    last_calibrated: date
    cal_due: date
    grr_pct: float | None = None
    ndc: int | None = None


Measure = Annotated[float, Field(ge=-1e12, le=1e12)]
"""A measured value in any unit; the bounds only keep out what no gauge can show."""


class PlanRow(BaseModel):
    """One row of a control plan: one characteristic, how it is checked, and what happens when it is out."""

    model_config = Record.model_config

    spec_id: Annotated[
        str | None,
        Field(
            max_length=40, description="Specification id; fills characteristic, kind, unit, limits, class, operation"
        ),
    ] = None
    operation: Annotated[
        str | None, Field(max_length=40, description="Operation code, e.g. OP20; default: the specification's")
    ] = None
    machine_id: Annotated[str | None, Field(max_length=40, description="Machine that makes the characteristic")] = None
    characteristic: Annotated[
        str | None, Field(min_length=3, max_length=120, description="Name, when there is no specification")
    ] = None
    kind: Annotated[CharacteristicKind | None, Field(description="product or process characteristic")] = None
    unit: Annotated[str | None, Field(max_length=20, description="Unit of nominal, lsl, usl")] = None
    nominal: Annotated[Measure | None, Field(description="Target value in unit")] = None
    lsl: Annotated[Measure | None, Field(description="Lower limit in unit; leave out if one-sided")] = None
    usl: Annotated[Measure | None, Field(description="Upper limit in unit; leave out if one-sided")] = None
    special_class: Annotated[SpecialClass | None, Field(description="CC safety/regulatory, SC fit/function")] = None
    technique: Annotated[
        str | None, Field(min_length=2, max_length=120, description="How it is measured; default: the specification's")
    ] = None
    gauge_id: Annotated[str | None, Field(max_length=40, description="Gauge used, e.g. AG-01")] = None
    sampling: Annotated[Sampling, Field(description="fixed = sample_size pieces, aql = by AQL, full = every piece")]
    sample_size: Annotated[
        int | None, Field(ge=1, le=100_000, description="Pieces per check; needed when sampling is fixed")
    ] = None
    aql: Annotated[PreferredAql | None, Field(description="Preferred AQL; needed when sampling is aql")] = None
    inspection_level: Annotated[
        InspectionLevel | None, Field(description="Inspection level of ANSI/ASQ Z1.4; default II when sampling is aql")
    ] = None
    frequency: Annotated[str, Field(min_length=2, max_length=60, description="How often, e.g. every 2 hours")]
    control_method: Annotated[ControlMethod, Field(description="How the result is controlled")]
    reaction_plan: Annotated[
        str, Field(min_length=5, max_length=500, description="What to do when out of control or out of limits")
    ]
    reaction_owner: Annotated[str, Field(min_length=2, max_length=80, description="Who acts: role or person")]


class QualityPlan(Record):
    """A control plan (IATF 16949 8.5.1.1, Annex A). Rows keep their order."""

    project: str
    title: str
    phase: Phase
    material_id: str
    material_revision: str
    revision: int
    state: PlanState
    customer: str | None = None
    core_team: tuple[str, ...] = ()
    rows: tuple[PlanRow, ...]
    created_at: datetime
    created_by: str


class Issue(Record):
    """A reported problem. Times are UTC; the `_due_at` fields are the service-level clock."""

    project: str
    title: str
    description: str
    category: IssueCategory
    severity: Severity
    state: IssueState
    machine_id: str | None = None
    workstation: str | None = None
    material_id: str | None = None
    spec_id: str | None = None
    qty_affected: int
    detected_at: datetime
    detected_by: str
    immediate_containment: str | None = None
    opened_at: datetime
    acknowledge_due_at: datetime
    contain_due_at: datetime
    close_due_at: datetime
