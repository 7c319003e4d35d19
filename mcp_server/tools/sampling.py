"""Toolset quality: acceptance sampling."""

from dataclasses import asdict, fields
from typing import Annotated, Literal

from pydantic import Field

from mcp_server.domain import sampling
from mcp_server.domain.records import InspectionLevel, PreferredAql, SpecialClass
from mcp_server.errors import RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Effect, Request, Result, ToolCall, tool

__all__ = ["TOOLS"]


class ComputeSamplingPlan(Request):
    lot_size: Annotated[int, Field(ge=2, le=sampling.MAX_LOT_SIZE, description="Pieces in the lot")]
    aql: Annotated[
        PreferredAql, Field(description="Percent nonconforming up to 10, nonconformities per 100 pieces above")
    ]
    inspection_level: Annotated[InspectionLevel, Field(description="General I to III, special S-1 to S-4")] = "II"
    severity: Annotated[sampling.SamplingSeverity, Field(description="By the switching rules")] = "normal"
    special_class: Annotated[SpecialClass | None, Field(description="Of the characteristic; CC is refused")] = None


class SamplingPlanResult(Result):
    """`accept` and `reject` are numbers of nonconforming pieces in `sample_size` pieces."""

    lot_size: int
    code_letter: str
    plan_letter: str
    sample_size: int
    accept: int
    reject: int
    arrow: Literal["up", "down"] | None = None
    full_inspection: bool
    standard: str
    warnings: tuple[str, ...] = ()


async def _class_fits_aql(request: ComputeSamplingPlan, _call: ToolCall) -> None:
    if request.special_class is SpecialClass.CC:
        raise RuleViolated(
            "AQL sampling accepts nonconforming pieces, which a CC characteristic does not allow.",
            field="special_class",
            suggestion="Inspect every piece, use error proofing, or a zero-acceptance (c = 0) plan.",
        )


async def _plan_is_the_tables(request: ComputeSamplingPlan, result: SamplingPlanResult, _call: ToolCall) -> None:
    """The plan is the table's, and the tables are the verified ones."""
    plan = sampling.sampling_plan(request.lot_size, request.aql, request.inspection_level, request.severity)
    if not sampling.tables_intact() or any(
        getattr(result, field.name) != getattr(plan, field.name) for field in fields(plan)
    ):
        raise VerificationFailed(
            "The sampling tables of this installation are damaged.", suggestion="Install it again."
        )


@tool(
    title="Compute a sampling plan",
    toolset="quality",
    effect=Effect.READ,
    request=ComputeSamplingPlan,
    result=SamplingPlanResult,
    preconditions=(_class_fits_aql,),
    result_checks=(_plan_is_the_tables,),
)
async def compute_sampling_plan(request: ComputeSamplingPlan, _call: ToolCall) -> SamplingPlanResult:
    """Look up the single sampling plan for a lot: how many pieces to inspect, when to accept, when to reject.

    ANSI/ASQ Z1.4 (MIL-STD-105E), arrows followed.
    """
    plan = sampling.sampling_plan(request.lot_size, request.aql, request.inspection_level, request.severity)
    warnings: list[str] = []
    if plan.full_inspection:
        warnings.append("The sample would be the whole lot: inspect every piece.")
    if request.severity == "reduced":
        warnings.append(
            "ANSI form of reduced inspection. When more than accept but fewer than reject pieces are nonconforming, "
            "accept the lot and go back to normal inspection. Not ISO 2859-1."
        )
    return SamplingPlanResult(
        lot_size=request.lot_size, standard=sampling.STANDARD, warnings=tuple(warnings), **asdict(plan)
    )


TOOLS = (compute_sampling_plan,)
