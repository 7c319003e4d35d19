"""What a person is told about a procedure that was stored: its sections, its times, and what to look at."""

from typing import Literal

from mcp_server.domain.documents import OPEN
from mcp_server.domain.maintenance.lockout import is_lockout
from mcp_server.domain.procedures.sop import (
    Times,
    check_hazards,
    check_lockout,
    compare_times,
    missing_sections,
    operation_of,
    required_sections,
    time_warnings,
    unchecked,
)
from mcp_server.domain.records import MachineStatus, Sop, Spec, SpecialClass, Workstation
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import Result, ToolCall, WriteCall, WriteResult
from mcp_server.pipeline.preconditions import did_you_mean, ids, project_of, revisions_of
from mcp_server.tools.procedures.sop_context import Drafting, lockouts, machines_of, others_there, specs_of
from mcp_server.tools.procedures.takt import takt_of

__all__ = ["SopWritten", "has_one_open_revision", "report_follows_from_the_record", "written"]


class Sections(Result):
    """Of those that a procedure needs before it can be approved."""

    present: tuple[str, ...]
    missing: tuple[str, ...]


class TimeReport(Result):
    """Seconds a piece; `difference_pct` is the steps over the cycle of the station."""

    steps_s: float
    cycle_s: float
    difference_pct: float | None = None
    takt_s: float | None = None


class SopWritten(WriteResult):
    record: Sop
    sections: Sections
    times: TimeReport | None = None

    @property
    def stored(self) -> Sop:
        return self.record


async def written(status: Literal["created", "updated"], sop: Sop, request: Drafting, call: ToolCall) -> SopWritten:
    times = await _times(sop, call)
    return SopWritten(
        status=status,
        record=sop,
        sections=_sections(sop),
        times=_shown(times),
        warnings=tuple(await _warnings(sop, request, times, call)),
    )


async def report_follows_from_the_record(_request: Drafting, result: SopWritten, call: WriteCall) -> None:
    """Sections and times are worked out again from the stored row and the plant's data."""
    stored = await call.plant.get(Sop, result.record.key)
    right = stored and (_sections(stored), _shown(await _times(stored, call)))
    if (result.sections, result.times) != right:
        raise VerificationFailed("The report on sections and times is not that of the procedure.", field="sections")


async def has_one_open_revision(_request: Drafting, result: SopWritten, call: WriteCall) -> None:
    """No second revision of the document is being worked on."""
    every = await revisions_of(call, Sop, result.record.id)
    if [revision.key for revision in every if revision.state in OPEN] != [result.record.key]:
        raise VerificationFailed(f"{result.record.id} has not exactly one open revision.", field="record.state")


async def _warnings(sop: Sop, request: Drafting, times: Times | None, call: ToolCall) -> list[str]:
    project = await project_of(call, request.project)
    machines = await machines_of(sop, call)
    findings = check_hazards(sop)
    if not is_lockout(sop):
        findings += check_lockout(sop, machines, await lockouts(project, call), call.today(project.time_zone))
    found = [f"{finding.field}: {finding.message}." for finding in findings if not finding.stops]
    found += await _about_checks(sop, call)
    found += [f"{m.id} is still in commissioning." for m in machines if m.status is MachineStatus.COMMISSIONING]
    if others := await others_there(sop, call):
        found.append(f"{sop.workstation} already has {did_you_mean(others)}")
    found += [] if times is None else time_warnings(times)
    if missing := missing_sections(sop):
        found.append(f"Before approval it still needs {', '.join(missing)}.")
    return found


async def _about_checks(sop: Sop, call: ToolCall) -> list[str]:
    if sop.workstation is None:
        return []
    operation, specs = operation_of(sop.workstation), await specs_of(sop, call)
    found: list[str] = []
    if missing := unchecked(specs, sop.steps, SpecialClass.SC):
        found.append(f"No step checks {', '.join(ids(missing))}, significant (SC) for {operation}.")
    critical = [s for s in await specs_of(sop, call, any_material=True) if s.special_class is SpecialClass.CC]
    if critical and not specs:
        found.append(f"{operation} has CC characteristics, but none of {sop.material_id}: {', '.join(ids(critical))}.")
    for position, step in enumerate(sop.steps, start=1):
        spec = None if step.check_spec_id is None else await call.plant.get(Spec, step.check_spec_id)
        if spec is not None and spec.operation != operation:
            found.append(f"Step {position} checks {spec.id} of {spec.operation}, not of {operation}.")
    return found


async def _times(sop: Sop, call: ToolCall) -> Times | None:
    station = None if sop.workstation is None else await call.plant.get(Workstation, sop.workstation)
    if station is None:
        return None
    project = await project_of(call, station.project)
    return compare_times(sop.steps, station.cycle_time_s, await takt_of(call, project, station.line))


def _shown(times: Times | None) -> TimeReport | None:
    if times is None:
        return None
    return TimeReport(
        steps_s=times.steps_s, cycle_s=times.cycle_s, difference_pct=times.difference_pct, takt_s=times.takt_s
    )


def _sections(sop: Sop) -> Sections:
    missing = missing_sections(sop)
    return Sections(present=tuple(s for s in required_sections(sop) if s not in missing), missing=tuple(missing))
