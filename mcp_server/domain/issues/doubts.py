"""What does not fit together in a report of a problem. It is taken as it is said: who reports may know better."""

from datetime import datetime, timedelta

from mcp_server.domain.records import SHARED, Issue, Machine, MachineStatus, Spec

__all__ = ["doubts"]

_LATE = timedelta(days=30)


def doubts(issue: Issue, machine: Machine | None, spec: Spec | None, now: datetime) -> list[str]:
    """What somebody should look at again, as sentences; `machine` and `spec` are those the issue names."""
    found: list[str] = []
    if now - issue.detected_at > _LATE:
        found.append(f"detected_at is {(now - issue.detected_at).days} days ago: check the date.")
    if machine is not None and machine.status is MachineStatus.DECOMMISSIONED:
        found.append(f"{machine.id} is decommissioned: check machine_id.")
    if machine is not None and machine.project != SHARED and issue.workstation not in {None, machine.workstation}:
        found.append(f"{machine.id} stands at {machine.workstation}, not at {issue.workstation}.")
    if spec is not None and issue.material_id not in {None, spec.material_id}:
        found.append(f"{spec.id} is of {spec.material_id}, not of {issue.material_id}.")
    return found
