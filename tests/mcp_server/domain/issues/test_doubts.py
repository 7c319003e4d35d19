from datetime import UTC, date, datetime, timedelta

import pytest

from mcp_server.domain.issues.doubts import doubts
from mcp_server.domain.issues.reporting import References, new_issue
from mcp_server.domain.records import (
    CharacteristicKind,
    Issue,
    IssueCategory,
    Machine,
    MachineStatus,
    Severity,
    Spec,
)

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
TESTER = Machine(
    id="LT-131",
    project="ALPHA",
    workstation="ALPHA-OP80",
    name="Leak tester 2",
    type="leak_tester",
    make="ATEQ",
    model="F620",
    serial="SMPL-1",
    commissioned_on=date(2024, 6, 1),
    status=MachineStatus.DOWN,
    criticality="A",
    energy_sources=("electrical",),
    meter="cycles",
)
LEAK = Spec(
    id="SP-013",
    project="ALPHA",
    material_id="FC57-FG",
    operation="OP80",
    characteristic="Leak rate",
    kind=CharacteristicKind.PRODUCT,
    data_type="variable",
    unit="cm3/min",
    usl=0.3,
    gauge="LT-130",
)


def reported(detected_at: datetime = NOW, *, workstation: str | None = None, material_id: str | None = None) -> Issue:
    return new_issue(
        issue_id="ISS-0001",
        project="ALPHA",
        title="Leak reject rate above 2 %",
        description="Rejects since the morning.",
        category=IssueCategory.QUALITY,
        severity=Severity.MINOR,
        references=References(workstation=workstation, material_id=material_id),
        qty_affected=0,
        detected_at=detected_at,
        detected_by="operator",
        now=NOW,
    )


def test_a_report_that_fits_together_raises_no_doubt():
    plain = reported(workstation="ALPHA-OP80", material_id="FC57-FG")
    assert doubts(plain, TESTER, LEAK, NOW) == doubts(reported(), None, None, NOW) == []


@pytest.mark.parametrize(("days", "told"), [(30, []), (31, ["detected_at is 31 days ago: check the date."])])
def test_a_problem_that_was_seen_long_ago_is_doubted(days: int, told: list[str]):
    assert doubts(reported(NOW - timedelta(days=days)), None, None, NOW) == told


def test_a_machine_out_of_service_or_elsewhere_is_doubted():
    gone = TESTER.model_copy(update={"status": MachineStatus.DECOMMISSIONED})
    assert doubts(reported(), gone, None, NOW) == ["LT-131 is decommissioned: check machine_id."]
    elsewhere = reported(workstation="ALPHA-OP10")
    assert doubts(elsewhere, TESTER, None, NOW) == ["LT-131 stands at ALPHA-OP80, not at ALPHA-OP10."]
    shared = TESTER.model_copy(update={"project": "SHARED", "workstation": "LAK-UT"})
    assert doubts(elsewhere, shared, None, NOW) == [], "what all stations use may fail any of them"


def test_a_characteristic_of_another_material_is_doubted():
    assert doubts(reported(material_id="HSG-FC57"), None, LEAK, NOW) == ["SP-013 is of FC57-FG, not of HSG-FC57."]
