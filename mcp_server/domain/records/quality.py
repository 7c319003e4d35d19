"""Quality: control plans, checklists made from them, and what was inspected."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mcp_server.domain.records.base import LISTED_ELSEWHERE, Document, Part, Record
from mcp_server.domain.records.plant import CharacteristicKind, SpecialClass

__all__ = [
    "CheckItem",
    "Checklist",
    "ControlMethod",
    "InspectionLevel",
    "InspectionResult",
    "Measure",
    "Phase",
    "PlanRow",
    "PreferredAql",
    "QualityPlan",
    "Sampling",
    "Verdict",
]


class Phase(StrEnum):
    """Control plan phases: IATF 16949 Annex A; `safe_launch` is AIAG CP-1 (2024)."""

    PROTOTYPE = "prototype"
    PRE_LAUNCH = "pre_launch"
    SAFE_LAUNCH = "safe_launch"
    PRODUCTION = "production"


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


Measure = Annotated[float, Field(ge=-(10**12), le=10**12)]
"""A measured value in any unit; the bounds only keep out what no gauge can show."""


class PlanRow(Part):
    """One row of a control plan: one characteristic, how it is checked, and what happens when it is out.

    `spec_id` names a specification, which fills in what the row leaves out up to `technique`. `sampling` is
    `sample_size` pieces a check, by `aql`, or every piece. `reaction_owner` is a role or a person.
    """

    spec_id: Annotated[str | None, Field(max_length=40, description="Specification")] = None
    operation: Annotated[str | None, Field(max_length=40, description="e.g. OP20")] = None
    machine_id: Annotated[str | None, Field(max_length=40, description="Machine that makes it")] = None
    characteristic: Annotated[str | None, Field(min_length=3, max_length=120, description="Name")] = None
    kind: Annotated[CharacteristicKind | None, Field(description="Kind")] = None
    unit: Annotated[str | None, Field(max_length=20, description="Unit of the limits")] = None
    nominal: Annotated[Measure | None, Field(description="Target")] = None
    lsl: Annotated[Measure | None, Field(description="Lower limit")] = None
    usl: Annotated[Measure | None, Field(description="Upper limit")] = None
    special_class: Annotated[SpecialClass | None, Field(description="CC safety, SC fit")] = None
    technique: Annotated[str | None, Field(min_length=2, max_length=120, description="How it is measured")] = None
    gauge_id: Annotated[str | None, Field(max_length=40, description="e.g. AG-01")] = None
    sampling: Annotated[Sampling, Field(description="fixed takes sample_size")]
    sample_size: Annotated[int | None, Field(ge=1, le=100_000, description="Pieces a check, if fixed")] = None
    aql: Annotated[
        PreferredAql | None, Field(description="Preferred AQL, if aql, e.g. 0.65", json_schema_extra=LISTED_ELSEWHERE)
    ] = None
    inspection_level: Annotated[
        InspectionLevel | None, Field(description="Of Z1.4, default II", json_schema_extra=LISTED_ELSEWHERE)
    ] = None
    frequency: Annotated[str, Field(min_length=2, max_length=60, description="e.g. every 2 hours")]
    control_method: Annotated[ControlMethod, Field(description="How it is controlled")]
    reaction_plan: Annotated[str, Field(min_length=5, max_length=500, description="What to do when out")]
    reaction_owner: Annotated[str, Field(min_length=2, max_length=80, description="Who acts")]


class QualityPlan(Document):
    """A control plan (IATF 16949 8.5.1.1, Annex A). Rows keep their order.

    `review_reason` says why a released plan must be looked at again, such as a closed customer issue.
    """

    noun: ClassVar[str] = "quality plan"

    phase: Phase
    material_id: str
    material_revision: str
    customer: str | None = None
    core_team: tuple[str, ...] = ()
    rows: tuple[PlanRow, ...]
    review_reason: str | None = None


class CheckItem(Part):
    """One characteristic to check, with what decides: limits in `unit`, and `accept` (Ac) of `sample_size` pieces.

    Without limits it is judged good or nonconforming. With an `aql`, size and Ac are those of the lot inspected.
    """

    spec_id: str | None = None
    characteristic: str
    unit: str | None = None
    nominal: float | None = None
    lsl: float | None = None
    usl: float | None = None
    special_class: SpecialClass | None = None
    technique: str | None = None
    gauge_id: str | None = None
    sample_size: int | None = None
    accept: int = 0
    aql: PreferredAql | None = None
    inspection_level: InspectionLevel | None = None
    frequency: str
    reaction_plan: str | None = None


class Checklist(Document):
    """What to inspect at one operation; `plan_revision` is the revision the items were taken from.

    `lot_size` is the lot the sample sizes are for; a `sample_size` of None is every piece, unless the item has an AQL.
    """

    noun: ClassVar[str] = "checklist"

    plan_id: str | None = None
    plan_revision: int | None = None
    material_id: str
    operation: str
    lot_size: int | None = None
    items: tuple[CheckItem, ...]


class Verdict(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"


class InspectionResult(Record):
    """Readings of one characteristic on one lot, and the decision. Never changed once stored.

    `readings` are values in `unit`; without limits they are 0 (good) or 1 (nonconforming). `lsl` and `usl` are the
    limits they were judged by, `accept` and `reject` Ac and Re for the nonconforming pieces among them.
    A characteristic of a checklist that has no specification is told by `checklist_item`, counted from 1.
    """

    noun: ClassVar[str] = "inspection result"

    project: str
    checklist_id: str | None = None
    checklist_revision: int | None = None
    checklist_item: int | None = None
    spec_id: str | None = None
    characteristic: str
    material_id: str
    lot_id: str
    sample_size: int
    readings: tuple[float, ...]
    unit: str
    lsl: float | None = None
    usl: float | None = None
    nonconforming: int
    accept: int
    reject: int
    verdict: Verdict
    inspector: str
    gauge_id: str | None = None
    measured_at: datetime
    recorded_at: datetime
    recorded_by: str
    issue_id: str | None = None
