"""Toolset quality: acceptance sampling."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field

from mcp_server.domain.quality import sampling
from mcp_server.domain.quality.sampling_structure import derived_plan
from mcp_server.domain.quality.switching import LotOutcome, NextSeverity, Switch, next_severity
from mcp_server.domain.records import InspectionLevel, PreferredAql, SpecialClass
from mcp_server.errors import RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Effect, Request, Result, ToolCall, tool

__all__ = ["TOOLS"]


class ComputeSamplingPlan(Request):
    lot_size: Annotated[int, Field(ge=2, le=sampling.MAX_LOT_SIZE, description="Pieces in the lot")]
    aql: Annotated[PreferredAql, Field(description="% nonconforming; above 10 per 100 pieces")]
    inspection_level: Annotated[InspectionLevel, Field(description="Level")] = "II"
    severity: Annotated[sampling.SamplingSeverity, Field(description="Of plan and recent_lots")] = "normal"
    special_class: Annotated[SpecialClass | None, Field(description="CC is refused")] = None
    recent_lots: Annotated[
        tuple[LotOutcome, ...],
        Field(max_length=50, description="Oldest first, at this severity"),
    ] = ()
    reduced_approved: Annotated[bool, Field(description="8.3.3 is met")] = False


class SamplingPlanResult(Result):
    """`accept` and `reject` are numbers of nonconforming pieces in `sample_size` pieces.

    `next_severity` is what the lot after `recent_lots` is inspected at, `switching_rule` the clause that says so.
    """

    lot_size: int
    code_letter: str
    plan_letter: str
    sample_size: int
    accept: int
    reject: int
    arrow: Literal["up", "down"] | None = None
    full_inspection: bool
    next_severity: NextSeverity | None = None
    switching_rule: str | None = None
    standard: str
    warnings: tuple[str, ...] = ()


async def _class_fits_aql(request: ComputeSamplingPlan, _call: ToolCall) -> None:
    if request.special_class is SpecialClass.CC:
        raise RuleViolated(
            "AQL sampling accepts nonconforming pieces, which a CC characteristic does not allow.",
            field="special_class",
            suggestion="Inspect every piece, use error proofing, or a zero-acceptance (c = 0) plan.",
        )


async def _history_fits_severity(request: ComputeSamplingPlan, _call: ToolCall) -> None:
    if request.severity != "reduced" and "accepted_in_gap" in request.recent_lots:
        position = request.recent_lots.index("accepted_in_gap")
        raise RuleViolated(
            f"Only reduced plans have a gap between accept and reject, and severity is {request.severity}.",
            field=f"recent_lots[{position}]",
            suggestion="Say accepted or rejected, or set severity to reduced if the lots were inspected at that.",
            alternatives=("accepted", "rejected"),
        )


async def _plan_is_the_tables(request: ComputeSamplingPlan, result: SamplingPlanResult, _call: ToolCall) -> None:
    """The tables are the verified ones, and the plan also follows from how the standard builds them."""
    derived = derived_plan(request.lot_size, request.aql, request.inspection_level, request.severity)
    if not sampling.tables_intact() or any(getattr(result, n) != value for n, value in asdict(derived).items()):
        raise VerificationFailed(
            "The sampling tables of this installation are damaged.", suggestion="Install it again."
        )


async def _whole_lot_and_arrow_are_told(
    _request: ComputeSamplingPlan, result: SamplingPlanResult, _call: ToolCall
) -> None:
    direction = None if result.plan_letter == result.code_letter else "up"
    if result.plan_letter > result.code_letter:
        direction = "down"
    if result.arrow != direction or result.full_inspection is not (result.sample_size == result.lot_size):
        raise VerificationFailed("The plan contradicts itself.", field="arrow", suggestion="Report this to us.")


@tool(
    toolset="quality",
    effect=Effect.READ,
    request=ComputeSamplingPlan,
    result=SamplingPlanResult,
    preconditions=(_class_fits_aql, _history_fits_severity),
    result_checks=(_plan_is_the_tables, _whole_lot_and_arrow_are_told),
)
async def compute_sampling_plan(request: ComputeSamplingPlan, _call: ToolCall) -> SamplingPlanResult:
    """Look up n, Ac, Re for a lot (ANSI/ASQ Z1.4, single). With recent_lots, also the severity of the next lot."""
    plan = sampling.sampling_plan(request.lot_size, request.aql, request.inspection_level, request.severity)
    switch = None
    if request.recent_lots:
        switch = next_severity(request.severity, request.recent_lots, may_reduce=request.reduced_approved)
    return SamplingPlanResult(
        lot_size=request.lot_size,
        standard=sampling.STANDARD,
        next_severity=switch and switch.severity,
        switching_rule=switch and switch.rule,
        warnings=_warnings(request, plan, switch),
        **asdict(plan),
    )


def _warnings(request: ComputeSamplingPlan, plan: sampling.SamplingPlan, switch: Switch | None) -> tuple[str, ...]:
    found: list[str] = []
    if plan.full_inspection:
        found.append("The sample would be the whole lot: inspect every piece.")
    if float(request.aql) > sampling.HIGHEST_PERCENT:
        found.append("An AQL above 10 counts nonconformities per 100 pieces, not nonconforming pieces.")
    if request.severity == "reduced":
        found.append("ANSI form of reduced inspection, not ISO 2859-1.")
        if plan.reject > plan.accept + 1:
            found.append(
                f"With more than {plan.accept} but fewer than {plan.reject} nonconforming pieces, accept this lot and "
                "go back to normal inspection."
            )
    if switch is not None and switch.severity == "discontinue":
        found.append("Stop accepting lots by sampling until quality has improved.")
    elif switch is not None and switch.severity != request.severity:
        found.append(f"The next lot is inspected at {switch.severity}: call again with that severity for its plan.")
    return tuple(found)


TOOLS = (compute_sampling_plan,)
