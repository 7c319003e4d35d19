"""What an inspection result is about: the request, and the records it names."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from mcp_server.domain.quality.checklists import in_force, item_of_spec
from mcp_server.domain.quality.inspection import Demand, demand_of
from mcp_server.domain.records import (
    CharacteristicKind,
    CheckItem,
    Checklist,
    Gauge,
    Lot,
    Material,
    Measure,
    Project,
    Spec,
)
from mcp_server.errors import RuleViolated
from mcp_server.pipeline.declaration import Code, Moment, ToolCall, WriteRequest
from mcp_server.pipeline.preconditions import project_of, record_of, revisions_of
from mcp_server.tools.quality.gauges import gauge_named

__all__ = ["MOST_READINGS", "RecordInspectionResult", "Subject", "gauge_of", "subject_of"]

MOST_READINGS = 2_000
"""The largest sample of the standard, so that one call can hold every sample by AQL."""
_MOST_LISTED = 5
_COUNTED = frozenset({"ea", "pcs", "set"})
"""Units of a material in which a lot's quantity is a number of pieces."""


class RecordInspectionResult(WriteRequest):
    checklist_id: Annotated[Code | None, Field(description="Checklist")] = None
    item: Annotated[int | None, Field(ge=1, le=200, description="Checklist position")] = None
    spec_id: Annotated[Code | None, Field(description="e.g. SP-001")] = None
    lot_id: Annotated[Code, Field(description="Lot")]
    readings: Annotated[
        tuple[Measure, ...],
        Field(min_length=1, max_length=MOST_READINGS, description="Spec's unit; attributes 0 good, 1 bad"),
    ]
    sample_n: Annotated[int | None, Field(ge=1, le=100_000, description="Pieces asked for")] = None
    inspector: Annotated[str, Field(min_length=2, max_length=80, description="Name or id")]
    gauge_id: Annotated[Code | None, Field(description="Default: as specified")] = None
    measured_at: Annotated[Moment | None, Field(description="Default now")] = None
    confirm_outliers: Annotated[bool, Field(description="Values far outside are real")] = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What the readings are about. Without a checklist, `item` is made from the specification."""

    project: Project
    checklist: Checklist | None
    position: int | None
    item: CheckItem
    spec: Spec | None
    lot: Lot
    material: Material
    demand: Demand
    measured_at: datetime

    @property
    def measured_on(self) -> date:
        """The day at the site."""
        return self.measured_at.astimezone(ZoneInfo(self.project.time_zone)).date()


async def subject_of(request: RecordInspectionResult, call: ToolCall) -> Subject:
    """What the request names.

    Raises:
        NotFound: there is no such checklist, specification or lot.
        RuleViolated: it is not clear which characteristic is meant.
    """
    project = await project_of(call, request.project)
    checklist = await _checklist_of(request, call, project)
    spec = None
    if request.spec_id is not None:
        spec = await record_of(call, Spec, request.spec_id, field="spec_id", project=project)
    position, item = _item_of(request, checklist, spec)
    if spec is None and item.spec_id is not None:
        spec = await record_of(call, Spec, item.spec_id, field="spec_id", project=project)
    lot = await record_of(call, Lot, request.lot_id, field="lot_id", project=project)
    material_id = checklist.material_id if checklist else spec.material_id if spec else lot.material_id
    material = await record_of(call, Material, material_id, field="lot_id", project=project)
    return Subject(
        project=project,
        checklist=checklist,
        position=position,
        item=item,
        spec=spec,
        lot=lot,
        material=material,
        demand=demand_of(item, lot.qty if _is_counted(material, spec) or item.aql else _enough(request, item)),
        measured_at=(request.measured_at or call.now).astimezone(UTC),
    )


async def gauge_of(request: RecordInspectionResult, call: ToolCall) -> Gauge | None:
    """The gauge given, else the checklist's, else the one the specification names."""
    subject = await subject_of(request, call)
    if request.gauge_id is not None:
        return await record_of(call, Gauge, request.gauge_id, field="gauge_id", project=subject.project)
    return await gauge_named(subject.item, call, subject.project)


async def _checklist_of(request: RecordInspectionResult, call: ToolCall, project: Project) -> Checklist | None:
    if request.checklist_id is None:
        return None
    newest = await record_of(call, Checklist, request.checklist_id, field="checklist_id", project=project)
    valid = in_force(await revisions_of(call, Checklist, newest.id))
    if valid is None:
        raise RuleViolated(
            f"{newest.id} is {newest.state}; nothing is inspected by it any more.",
            field="checklist_id",
            suggestion="Use a checklist that is in force, or spec_id.",
        )
    return valid


def _item_of(
    request: RecordInspectionResult, checklist: Checklist | None, spec: Spec | None
) -> tuple[int | None, CheckItem]:
    if checklist is None:
        if spec is None or request.item is not None:
            raise RuleViolated(
                "It is not said which characteristic was inspected.",
                field="spec_id" if request.item is None else "checklist_id",
                suggestion="Give spec_id, or checklist_id with item.",
            )
        size = request.sample_n or len(request.readings)
        return None, item_of_spec(spec, frequency="", sample_size=size)
    fitting = [
        (position, item)
        for position, item in enumerate(checklist.items, start=1)
        if request.item in {None, position} and (spec is None or item.spec_id == spec.id)
    ]
    if len(fitting) != 1:
        listed = [f"{position} {item.characteristic}" for position, item in enumerate(checklist.items, start=1)]
        meant = "does not have this item" if not fitting else f"has {len(fitting)} items that fit"
        raise RuleViolated(
            f"{checklist.id} {meant}.",
            field="spec_id" if request.item is None and spec is not None else "item",
            suggestion=f"Give item: {', '.join(listed[:_MOST_LISTED])}{' ...' if len(listed) > _MOST_LISTED else '.'}",
            alternatives=[str(position) for position, _ in fitting or enumerate(checklist.items, start=1)],
        )
    return fitting[0]


def _is_counted(material: Material, spec: Spec | None) -> bool:
    """Whether a reading is a piece of the lot; a process value is none, and neither is a kilogram."""
    return material.uom in _COUNTED and (spec is None or spec.kind is CharacteristicKind.PRODUCT)


def _enough(request: RecordInspectionResult, item: CheckItem) -> int:
    return max(len(request.readings), item.sample_size or 1)
