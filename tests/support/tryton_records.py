"""Records that the tests of the Tryton adapter send: to answers that were recorded, and to Tryton itself."""

from datetime import UTC, date, datetime
from typing import Any

from mcp_server.domain.issues.reporting import due_times
from mcp_server.domain.records import (
    SHARED,
    CharacteristicKind,
    Issue,
    IssueCategory,
    IssueState,
    Machine,
    MachineStatus,
    Material,
    Severity,
    Spec,
    SpecialClass,
)

__all__ = ["issue", "machine", "material", "spec"]

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def machine(machine_id: str = "MC-103", **changes: Any) -> Machine:
    made = Machine(
        id=machine_id,
        project="ALPHA",
        workstation="ALPHA-OP20",
        name="HMC 3",
        type="cnc_machining_center",
        make="DMG MORI",
        model="NHX 4000",
        serial="SMPL-MC103-1014",
        commissioned_on=date(2024, 5, 13),
        status=MachineStatus.MAINTENANCE,
        criticality="A",
        energy_sources=("electrical", "pneumatic"),
        meter="spindle_h",
    )
    return made.model_copy(update=changes)


def material(material_id: str = "HSG-FC57", **changes: Any) -> Material:
    made = Material(
        id=material_id,
        project="ALPHA",
        name="Machined housing FC57",
        type="wip",
        standard="drawing 57-1001",
        revision="D",
        uom="ea",
        lot_tracked=True,
        supplier="in-house",
        status="released",
    )
    return made.model_copy(update=changes)


def spec(spec_id: str = "SP-001", **changes: Any) -> Spec:
    made = Spec(
        id=spec_id,
        project="ALPHA",
        material_id="HSG-FC57",
        operation="OP20",
        characteristic="Piston bore diameter",
        kind=CharacteristicKind.PRODUCT,
        data_type="variable",
        unit="mm",
        nominal=57.015,
        lsl=57.0,
        usl=57.03,
        special_class=SpecialClass.CC,
        gauge="bore air gauge AG-01",
    )
    return made.model_copy(update=changes)


def issue(issue_id: str = "ISS-0101", **changes: Any) -> Issue:
    made = Issue(
        id=issue_id,
        project=SHARED,
        title="Bore out of tolerance",
        description="57.05 mm at the third piece.\nThe others were good.",
        category=IssueCategory.QUALITY,
        severity=Severity.CRITICAL,
        state=IssueState.OPEN,
        spec_id="SP-001",
        qty_affected=1,
        detected_at=AT,
        detected_by="E105",
        opened_at=AT,
        **due_times(Severity.CRITICAL, AT),
    )
    return made.model_copy(update=changes)
