"""What an inspection result must meet before it is stored."""

import re
from datetime import timedelta

from mcp_server.backends.base import Query
from mcp_server.domain import limits
from mcp_server.domain.quality.checklists import not_of_plan_in_force
from mcp_server.domain.quality.control_plan import Finding
from mcp_server.domain.quality.gauges import check_gauge, finer_than_resolution
from mcp_server.domain.quality.inspection import implausible, looks_like, outgrown
from mcp_server.domain.records import DocumentState, InspectionResult, Lot, LotStatus, Person, QualityPlan, Verdict
from mcp_server.errors import RuleViolated
from mcp_server.pipeline.declaration import ToolCall
from mcp_server.pipeline.preconditions import did_you_mean, ids, project_of, record_of, revisions_of
from mcp_server.tools.paging import selection
from mcp_server.tools.quality.gauges import gauge_named
from mcp_server.tools.quality.inspection_subject import (
    MOST_READINGS,
    RecordInspectionResult,
    Subject,
    gauge_of,
    subject_of,
)

__all__ = ["PRECONDITIONS", "findings"]

_CLOCK_SKEW = timedelta(minutes=5)
_MOST_SHOWN = 5
_PERSON_ID = re.compile(r"[A-Z]-?\d{2,}")


async def findings(request: RecordInspectionResult, call: ToolCall) -> list[Finding]:
    """Every rule about gauge, checklist and lot that is not met."""
    subject = await subject_of(request, call)
    return [
        *await _about_the_gauge(request, subject, call),
        *_about_the_readings(request, subject),
        *await _about_the_checklist(subject, call),
        *_about_the_lot(subject),
        *await _about_earlier_verdicts(subject, call),
        *await _about_the_rest_of_the_lot(request, subject, call),
    ]


async def _lot_is_of_the_material(request: RecordInspectionResult, call: ToolCall) -> None:
    subject = await subject_of(request, call)
    if subject.lot.material_id == subject.material.id:
        return
    lots = await call.plant.find(Lot, Query(selection(project=subject.project.id, material_id=subject.material.id)))
    usable = [lot for lot in lots.items if lot.status is not LotStatus.CONSUMED]
    raise RuleViolated(
        f"{subject.lot.id} is a lot of {subject.lot.material_id}; {subject.item.characteristic} is a characteristic "
        f"of {subject.material.id}.",
        field="lot_id",
        suggestion=f"Lots of {subject.material.id}: {did_you_mean(usable)}" if usable else "Name the lot inspected.",
        alternatives=ids(usable),
    )


async def _lot_is_still_there(request: RecordInspectionResult, call: ToolCall) -> None:
    lot = (await subject_of(request, call)).lot
    if lot.status is LotStatus.CONSUMED:
        raise RuleViolated(
            f"{lot.id} is consumed; there is nothing left to accept or reject.",
            field="lot_id",
            suggestion="Name the lot inspected; for parts already built in, report an issue with log_issue.",
        )


async def _time_is_possible(request: RecordInspectionResult, call: ToolCall) -> None:
    subject = await subject_of(request, call)
    if subject.measured_at > call.now + _CLOCK_SKEW:
        raise RuleViolated(
            f"measured_at {subject.measured_at.isoformat()} lies in the future.",
            field="measured_at",
            suggestion=f"It is {call.now.isoformat(timespec='minutes')} now; leave measured_at out to use that.",
        )
    if subject.measured_on < subject.lot.made_on:
        raise RuleViolated(
            f"measured_at is before {subject.lot.id} was made, on {subject.lot.made_on.isoformat()}.",
            field="measured_at",
            suggestion="Correct measured_at, or name the lot that was measured.",
        )


async def _inspector_is_known(request: RecordInspectionResult, call: ToolCall) -> None:
    """Text that looks like a person's id must be one."""
    if _PERSON_ID.fullmatch(request.inspector):
        project = await project_of(call, request.project)
        await record_of(call, Person, request.inspector, field="inspector", project=project)


async def _limits_can_judge(request: RecordInspectionResult, call: ToolCall) -> None:
    subject = await subject_of(request, call)
    item, spec = subject.item, subject.spec
    if limits.are_reversed(item.lsl, item.usl):
        wrong = f"has lsl {item.lsl:g}, which is not below usl {item.usl:g}"
    elif spec is not None and spec.data_type == "variable" and item.lsl is None and item.usl is None:
        wrong = "is measured, but has no limit"
    else:
        return
    raise RuleViolated(
        f"{item.characteristic} {wrong}: no reading can be judged by it.",
        field="spec_id",
        suggestion="Have the specification corrected first.",
    )


async def _attribute_readings_are_zero_or_one(request: RecordInspectionResult, call: ToolCall) -> None:
    item = (await subject_of(request, call)).item
    if item.lsl is not None or item.usl is not None:
        return
    for position, reading in enumerate(request.readings):
        if reading not in {0.0, 1.0}:
            raise RuleViolated(
                f"{item.characteristic} is judged good or bad, so {reading:g} means nothing.",
                field=f"readings[{position}]",
                suggestion="Give one reading a piece: 0 for good, 1 for nonconforming.",
            )


async def _readings_are_as_many_as_asked(request: RecordInspectionResult, call: ToolCall) -> None:
    subject = await subject_of(request, call)
    asked, given = subject.demand.sample_size, len(request.readings)
    if subject.checklist is not None and request.sample_n not in {None, asked}:
        raise RuleViolated(
            f"sample_n is {request.sample_n}, but {_asks(subject)}.",
            field="sample_n",
            suggestion="Leave sample_n out: the checklist decides.",
            alternatives=[str(asked)],
        )
    if given == asked or (asked > MOST_READINGS and given < asked):
        return
    raise RuleViolated(
        f"{given} reading{' was' if given == 1 else 's were'} given, but {_asks(subject)}.",
        field="readings",
        suggestion="Give one reading for every piece asked for, nonconforming ones too; inspect the missing pieces.",
    )


async def _readings_are_plausible(request: RecordInspectionResult, call: ToolCall) -> None:
    item = (await subject_of(request, call)).item
    far = implausible(request.readings, lsl=item.lsl, usl=item.usl)
    if request.confirm_outliers or len(far) == 0:
        return
    first = request.readings[far[0] - 1]
    slip = looks_like(first, lsl=item.lsl, usl=item.usl)
    more = f" ({len(far)} of {len(request.readings)} readings)" if len(far) > 1 else ""
    raise RuleViolated(
        f"{first:g} is more than ten tolerances outside the limits of {item.characteristic} in {item.unit}{more}"
        + (f"; it looks like {slip}." if slip else "."),
        field=f"readings[{far[0] - 1}]",
        suggestion=f"Give values in {item.unit}. If they were checked at the part and are real, set confirm_outliers.",
        also=[f"readings[{position - 1}]: {request.readings[position - 1]:g}" for position in far[1:_MOST_SHOWN]],
    )


async def _gauge_and_checklist_can_decide(request: RecordInspectionResult, call: ToolCall) -> None:
    stopping = [finding for finding in await findings(request, call) if finding.stops]
    if stopping:
        first, *others = stopping
        raise RuleViolated(
            f"{first.message}.",
            field=first.field,
            suggestion=first.suggestion,
            also=[f"{finding.field}: {finding.message}" for finding in others],
        )


async def _about_the_gauge(request: RecordInspectionResult, subject: Subject, call: ToolCall) -> list[Finding]:
    item = subject.item
    gauge, prescribed = await gauge_of(request, call), await gauge_named(item, call, subject.project)
    if gauge is None:
        named = f" ({item.technique})" if item.technique else ""
        unchecked = f"no gauge is on record for {item.characteristic}{named}, so calibration was not checked"
        measured = item.lsl is not None or item.usl is not None
        return [Finding("gauge_id", unchecked, "Give gauge_id.", stops=False)] if measured else []
    found = check_gauge(gauge, item, on=subject.measured_on, measured=True)
    if prescribed is not None and prescribed.id != gauge.id:
        other = f"{item.characteristic} is to be measured with {prescribed.id}, not with {gauge.id}"
        found.append(Finding("gauge_id", other, f"Use {prescribed.id}.", stops=False))
    if finer := finer_than_resolution(gauge, request.readings):
        shown = ", ".join(f"{request.readings[position]:g}" for position in finer[:_MOST_SHOWN])
        steps = f"{gauge.id} shows steps of {gauge.resolution:g}, so it cannot have shown {shown}"
        found.append(Finding("readings", steps, "Check gauge_id and the readings.", stops=False))
    return found


def _about_the_readings(request: RecordInspectionResult, subject: Subject) -> list[Finding]:
    """What has an upper limit only counts from zero, as a roughness, a form error or a leak does."""
    item = subject.item
    below = [reading for reading in request.readings if reading < 0]
    if not below or item.lsl is not None or item.usl is None or item.usl <= 0:
        return []
    negative = f"{below[0]:g} is below zero, and {item.characteristic} has an upper limit only"
    return [Finding("readings", negative, "Check the sign and the zero of the gauge.", stops=False)]


async def _about_the_checklist(subject: Subject, call: ToolCall) -> list[Finding]:
    checklist = subject.checklist
    if checklist is None:
        return []
    found: list[Finding] = []
    wider = None if subject.spec is None else outgrown(subject.item, subject.spec)
    if subject.spec is not None and wider is not None:
        stale = f"{checklist.id} has {wider}, the limit of {subject.spec.id}"
        found.append(Finding("checklist_id", stale, "Make the checklist anew with create_inspection_checklist."))
    if checklist.state is not DocumentState.RELEASED:
        draft = f"checklist {checklist.id} rev {checklist.revision} is {checklist.state}, not released"
        found.append(Finding("checklist_id", draft, "Have it released.", stops=False))
    revisions = () if checklist.plan_id is None else await revisions_of(call, QualityPlan, checklist.plan_id)
    outdated = not_of_plan_in_force(checklist, revisions)
    if outdated is not None:
        found.append(Finding("checklist_id", outdated, "Make the checklist anew.", stops=False))
    return found


def _about_the_lot(subject: Subject) -> list[Finding]:
    lot, material = subject.lot, subject.material
    if lot.material_revision == material.revision:
        return []
    older = f"{lot.id} was made to revision {lot.material_revision} of {material.id}, judged by {material.revision}"
    return [Finding("lot_id", older, "Check which revision applies.", stops=False)]


async def _about_earlier_verdicts(subject: Subject, call: ToolCall) -> list[Finding]:
    """A lot is not measured until it passes: what rejected it stands until its issue has decided."""
    lot, characteristic = subject.lot, subject.item.characteristic
    among = selection(project=subject.project.id, lot_id=lot.id, characteristic=characteristic)
    stored = (await call.plant.find(InspectionResult, Query(among))).items
    rejected = next((result for result in stored if result.verdict is Verdict.REJECT), None)
    if rejected is None:
        return []
    before = f"{rejected.id} rejected {lot.id} for {characteristic} before; new readings do not lift that"
    decides = f"Decide about the lot in {rejected.issue_id}." if rejected.issue_id else "Report an issue."
    return [Finding("lot_id", before, decides, stops=False)]


async def _about_the_rest_of_the_lot(
    request: RecordInspectionResult, subject: Subject, call: ToolCall
) -> list[Finding]:
    """More pieces than one call can hold come in parts; an accepted part does not yet accept the lot."""
    asked = subject.demand.sample_size
    if len(request.readings) >= asked:
        return []
    among = selection(
        project=subject.project.id, lot_id=subject.lot.id, checklist_id=subject.checklist and subject.checklist.id
    )
    stored = (await call.plant.find(InspectionResult, Query(among))).items
    before = sum(result.sample_size for result in stored if result.checklist_item == subject.position)
    part = f"{min(before + len(request.readings), asked)} of {asked} pieces are on record, this call included"
    return [Finding("readings", part, "Record the rest.", stops=False)]


def _asks(subject: Subject) -> str:
    demand, lot = subject.demand, subject.lot
    of_lot = f"{lot.id} has {lot.qty:,} pieces"
    if demand.every_piece:
        return f"every piece is to be inspected and {of_lot}"
    by = f" by AQL {subject.item.aql}, as {of_lot}" if subject.item.aql else ""
    who = subject.checklist.id if subject.checklist else "sample_n"
    return f"{who} asks for {demand.sample_size:,}{by}"


PRECONDITIONS = (
    _lot_is_of_the_material,
    _lot_is_still_there,
    _time_is_possible,
    _inspector_is_known,
    _limits_can_judge,
    _attribute_readings_are_zero_or_one,
    _readings_are_as_many_as_asked,
    _readings_are_plausible,
    _gauge_and_checklist_can_decide,
)
