"""Toolset quality: results of inspections."""

import math
from dataclasses import asdict
from typing import Literal

from mcp_server.backends.base import Query
from mcp_server.domain.issues.reporting import OPEN_STATES, References, assess_severity, new_issue
from mcp_server.domain.quality.capability import Assessment, capability
from mcp_server.domain.quality.inspection import Judgement, judge
from mcp_server.domain.quality.switching import WINDOW, next_severity
from mcp_server.domain.records import InspectionResult, Issue, IssueCategory, LotStatus, Spec, Verdict
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import Effect, Result, ToolCall, WriteCall, WriteResult, tool
from mcp_server.tools.paging import selection
from mcp_server.tools.quality.inspection_checks import PRECONDITIONS, findings
from mcp_server.tools.quality.inspection_subject import RecordInspectionResult, Subject, gauge_of, subject_of

__all__ = ["TOOLS"]

_DIGITS = 6
_MOST_VALUES = 10
_LONGEST_TITLE = 120


class CapabilityReport(Result):
    """Over all stored results of the specification; what cannot be computed is left out, and `reasons` say why."""

    readings: int
    subgroups: int
    mean: float | None = None
    cp: float | None = None
    cpk: float | None = None
    pp: float | None = None
    ppk: float | None = None
    assessment: Assessment | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class InspectionRecorded(WriteResult):
    """`outside` are the positions, from 1, of the nonconforming readings."""

    record: InspectionResult
    outside: tuple[int, ...] = ()
    issue_id: str | None = None
    capability: CapabilityReport

    @property
    def stored(self) -> InspectionResult | None:
        return self.record if self.status == "created" else None


async def _verdict_follows_from_the_readings(
    _request: RecordInspectionResult, result: InspectionRecorded, call: WriteCall
) -> None:
    """The verdict once more, counted from what the system of record holds."""
    stored = await call.plant.get(InspectionResult, result.record.id) or result.record
    low = float("-inf") if stored.lsl is None else stored.lsl
    high = float("inf") if stored.usl is None else stored.usl
    good = (0.0, 0.0) if stored.lsl is None and stored.usl is None else (low, high)
    bad = sum(not good[0] <= reading <= good[1] for reading in stored.readings)
    verdict = Verdict.REJECT if bad >= stored.reject else Verdict.ACCEPT
    if (bad, verdict, len(result.outside)) != (stored.nonconforming, result.record.verdict, bad):
        raise VerificationFailed("The verdict does not follow from the readings.", field="verdict")


async def _a_rejected_lot_has_an_issue(
    _request: RecordInspectionResult, result: InspectionRecorded, call: WriteCall
) -> None:
    record = result.record
    issue = None if record.issue_id is None else await call.plant.get(Issue, record.issue_id)
    named = issue is not None and record.lot_id in issue.lot_ids and issue.spec_id == record.spec_id
    if named is not (record.verdict is Verdict.REJECT) or result.issue_id != record.issue_id:
        raise VerificationFailed(
            "A rejected lot must have an issue that names it, and an accepted one must not.", field="issue_id"
        )


async def _capability_is_of_all_results(
    _request: RecordInspectionResult, result: InspectionRecorded, call: WriteCall
) -> None:
    """Number of readings and Ppk again, by the sums of the readings that are on record."""
    if result.record.spec_id is None:
        return
    spec = await call.plant.get(Spec, result.record.spec_id)
    values = [value for stored in await _results_of(result.record, call) for value in stored.readings]
    told = result.capability
    if spec is None or len(values) != told.readings:
        raise VerificationFailed("The capability leaves out readings that are on record.", field="capability.readings")
    if told.ppk is None or told.mean is None:
        return
    mean = sum(values) / len(values)
    sigma = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    low = float("inf") if spec.lsl is None else mean - spec.lsl
    high = float("inf") if spec.usl is None else spec.usl - mean
    if not math.isclose(min(low, high) / (3 * sigma), told.ppk, rel_tol=1e-4, abs_tol=1e-4):
        raise VerificationFailed("Ppk does not follow from the readings on record.", field="capability.ppk")


@tool(
    toolset="quality",
    effect=Effect.CREATE,
    request=RecordInspectionResult,
    result=InspectionRecorded,
    preconditions=PRECONDITIONS,
    result_checks=(
        _verdict_follows_from_the_readings,
        _a_rejected_lot_has_an_issue,
        _capability_is_of_all_results,
    ),
)
async def record_inspection_result(request: RecordInspectionResult, call: WriteCall) -> InspectionRecorded:
    """Record readings of one characteristic; decides itself whether the lot is accepted. A rejected lot gets an issue.
    Refuses a gauge out of calibration and values of another unit.
    """
    subject = await subject_of(request, call)
    judged = judge(request.readings, lsl=subject.item.lsl, usl=subject.item.usl, accept=subject.demand.accept)
    record = await _record(request, subject, judged, call)
    twin = await _twin_of(record, call)
    if twin is not None:
        note = f"{twin.id} already holds these readings of that time; nothing was added."
        return await _recorded(twin, subject, call, note, status="already_exists")
    warnings = [finding.message + "." for finding in await findings(request, call) if not finding.stops]
    if judged.verdict is Verdict.REJECT:
        issue, note = await _issue_for(record, subject, judged, call)
        record = record.model_copy(update={"issue_id": issue.id})
        warnings.append(note)
    elif judged.outside:
        warnings.append(
            f"{judged.nonconforming} of {len(record.readings)} pieces are nonconforming, within Ac {record.accept}: "
            "the lot is accepted, but sort these pieces out."
        )
    await call.unit.insert(record)
    if subject.item.aql is not None:
        warnings += await _switching(record, call)
    return await _recorded(record, subject, call, *warnings, status="created")


async def _record(
    request: RecordInspectionResult, subject: Subject, judged: Judgement, call: WriteCall
) -> InspectionResult:
    gauge = await gauge_of(request, call)
    return InspectionResult(
        id=await call.unit.next_id(InspectionResult, "IR-"),
        project=subject.project.id,
        checklist_id=subject.checklist and subject.checklist.id,
        checklist_revision=subject.checklist and subject.checklist.revision,
        checklist_item=subject.position,
        spec_id=subject.item.spec_id,
        characteristic=subject.item.characteristic,
        material_id=subject.material.id,
        lot_id=subject.lot.id,
        sample_size=len(request.readings),
        readings=request.readings,
        unit=subject.item.unit or "",
        lsl=subject.item.lsl,
        usl=subject.item.usl,
        nonconforming=judged.nonconforming,
        accept=subject.demand.accept,
        reject=subject.demand.reject,
        verdict=judged.verdict,
        inspector=request.inspector,
        gauge_id=gauge and gauge.id,
        measured_at=subject.measured_at,
        recorded_at=call.now,
        recorded_by=request.on_behalf_of or call.caller.principal,
    )


async def _issue_for(
    record: InspectionResult, subject: Subject, judged: Judgement, call: WriteCall
) -> tuple[Issue, str]:
    """The open issue that already holds this lot for this characteristic, or a new one; and a word about it.

    All of a rejected lot is affected: nobody knows which of the pieces not inspected are good.
    """
    among = selection(project=record.project, state=tuple(OPEN_STATES), material_id=record.material_id)
    for issue in (await call.plant.find(Issue, Query(among))).items:
        if record.spec_id is not None and record.lot_id in issue.lot_ids and issue.spec_id == record.spec_id:
            return issue, f"Rejected: keep {record.lot_id} quarantined; {issue.id} already reports it."
    severity, _ = assess_severity(None, IssueCategory.QUALITY, subject.spec, subject.lot.qty)
    issue = new_issue(
        issue_id=await call.unit.next_id(Issue, "ISS-"),
        project=record.project,
        title=f"{record.lot_id} rejected: {record.characteristic}"[:_LONGEST_TITLE],
        description=_description(record, judged),
        category=IssueCategory.QUALITY,
        severity=severity,
        references=References(material_id=record.material_id, spec_id=record.spec_id, lot_ids=(record.lot_id,)),
        qty_affected=subject.lot.qty,
        detected_at=record.measured_at,
        detected_by=record.inspector,
        now=call.now,
    )
    await call.unit.insert(issue)
    there = subject.lot.status is LotStatus.QUARANTINE
    keep = f"keep {record.lot_id} quarantined" if there else f"quarantine {record.lot_id}"
    return issue, f"Rejected: {keep}; {issue.id} ({severity}) reports it."


def _description(record: InspectionResult, judged: Judgement) -> str:
    sides = [f"{name} {limit:g}" for name, limit in (("lsl", record.lsl), ("usl", record.usl)) if limit is not None]
    limits = f" ({', '.join(sides)} {record.unit})" if sides else ""
    values = ", ".join(f"{record.readings[position - 1]:g}" for position in judged.outside[:_MOST_VALUES])
    more = " ..." if judged.nonconforming > _MOST_VALUES else ""
    worst = f" Out of limits: {values}{more}." if sides else ""
    return (
        f"{judged.nonconforming} of {record.sample_size} pieces of {record.lot_id} are nonconforming in "
        f"{record.characteristic}{limits}; Ac is {record.accept}.{worst} Inspection result {record.id}."
    )


async def _switching(record: InspectionResult, call: ToolCall) -> list[str]:
    """Whether the last lots call for tightened inspection. Only the first inspection of a lot counts."""
    among = selection(project=record.project, material_id=record.material_id, characteristic=record.characteristic)
    found = (await call.plant.find(InspectionResult, Query(among))).items
    first: dict[str, Verdict] = {}
    for result in sorted(found, key=lambda stored: (stored.measured_at, stored.id)):
        first.setdefault(result.lot_id, result.verdict)
    recent = list(first.values())[-WINDOW:]
    switch = next_severity("normal", ["accepted" if verdict is Verdict.ACCEPT else "rejected" for verdict in recent])
    if switch.severity != "tightened":
        return []
    rejected = sum(verdict is Verdict.REJECT for verdict in recent)
    why = f"{rejected} of the last {len(recent)} lots were rejected (ANSI/ASQ Z1.4 8.3.1)"
    return [f"Inspect the next lot at tightened severity, see compute_sampling_plan: {why}."]


async def _recorded(
    record: InspectionResult,
    subject: Subject,
    call: ToolCall,
    *warnings: str,
    status: Literal["created", "already_exists"],
) -> InspectionRecorded:
    return InspectionRecorded(
        status=status,
        record=record,
        outside=judge(record.readings, lsl=record.lsl, usl=record.usl, accept=record.accept).outside,
        issue_id=record.issue_id,
        capability=await _capability(record, subject, call),
        warnings=warnings,
    )


async def _capability(record: InspectionResult, subject: Subject, call: ToolCall) -> CapabilityReport:
    if subject.spec is None:
        reason = "Only a characteristic with a specification has a history to compute capability from."
        return CapabilityReport(readings=record.sample_size, subgroups=1, reasons=(reason,))
    results = await _results_of(record, call)
    found = capability([stored.readings for stored in results], lsl=subject.spec.lsl, usl=subject.spec.usl)
    if subject.spec.data_type == "attribute":
        reason = "Good and bad have no spread, so there is no capability; count nonconforming pieces instead."
        return CapabilityReport(readings=found.readings, subgroups=found.subgroups, reasons=(reason,))
    return CapabilityReport.model_validate(
        {name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in asdict(found).items()}
    )


async def _results_of(record: InspectionResult, call: ToolCall) -> list[InspectionResult]:
    """Every stored result of the specification, in the order of measurement."""
    among = selection(project=record.project, spec_id=record.spec_id)
    found = (await call.plant.find(InspectionResult, Query(among))).items
    return sorted(found, key=lambda stored: (stored.measured_at, stored.id))


async def _twin_of(record: InspectionResult, call: ToolCall) -> InspectionResult | None:
    """The stored result with the same readings of the same lot and moment: the same report sent twice."""
    same = ("checklist_item", "spec_id", "characteristic", "measured_at", "readings", "inspector", "gauge_id")
    stored = await call.plant.find(InspectionResult, Query(selection(project=record.project, lot_id=record.lot_id)))
    return next((o for o in stored.items if all(getattr(o, name) == getattr(record, name) for name in same)), None)


TOOLS = (record_inspection_result,)
