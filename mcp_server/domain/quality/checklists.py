"""Checklist items from the rows of a control plan or straight from specifications."""

from collections.abc import Sequence
from typing import TypeVar

from mcp_server.domain.documents import newest_live, released
from mcp_server.domain.quality.sampling import sampling_plan
from mcp_server.domain.records import CheckItem, Checklist, Document, PlanRow, QualityPlan, Sampling, Spec, SpecialClass

__all__ = ["in_force", "item_of_row", "item_of_spec", "not_of_plan_in_force", "selected_rows"]

D = TypeVar("D", bound=Document)


def in_force(revisions: Sequence[D]) -> D | None:
    """The revision to inspect by: the released one, else the one being worked on, else None."""
    return next(iter(released(revisions)), newest_live(revisions))


def not_of_plan_in_force(checklist: Checklist, revisions: Sequence[QualityPlan]) -> str | None:
    """What a checklist was made from, if that is not in force; `revisions` are all of its plan."""
    valid = [plan.revision for plan in released(revisions)]
    if checklist.plan_id is None or (valid and checklist.plan_revision in {None, *valid}):
        return None
    now = f"revision {valid[0]} is in force now" if valid else "that is not released"
    return f"{checklist.id} was made from {checklist.plan_id} revision {checklist.plan_revision}; {now}"


def selected_rows(rows: Sequence[PlanRow], operation: str, frequency: str | None) -> tuple[PlanRow, ...]:
    """The rows of one operation, and of one frequency when it is given; both without regard to case."""
    return tuple(
        row
        for row in rows
        if (row.operation or "").casefold() == operation.casefold()
        and (frequency is None or row.frequency.casefold() == frequency.casefold())
    )


def item_of_row(row: PlanRow, lot_size: int | None) -> CheckItem:
    """An AQL row becomes sample size and Ac of the tables when the lot is known, and keeps its AQL otherwise.

    CC accepts on zero only; an AQL for it would be of no use, so every piece is checked.
    """
    by_aql = row.sampling is Sampling.AQL and row.special_class is not SpecialClass.CC
    item = CheckItem(
        spec_id=row.spec_id,
        characteristic=row.characteristic or "",
        unit=row.unit,
        nominal=row.nominal,
        lsl=row.lsl,
        usl=row.usl,
        special_class=row.special_class,
        technique=row.technique,
        gauge_id=row.gauge_id,
        sample_size=row.sample_size,
        aql=row.aql if by_aql else None,
        inspection_level=row.inspection_level if by_aql else None,
        frequency=row.frequency,
        reaction_plan=row.reaction_plan,
    )
    if item.aql is None or lot_size is None:
        return item
    plan = sampling_plan(lot_size, item.aql, item.inspection_level or "II")
    return item.model_copy(update={"sample_size": plan.sample_size, "accept": plan.accept})


def item_of_spec(spec: Spec, *, frequency: str, sample_size: int | None, gauge_id: str | None = None) -> CheckItem:
    """`sample_size` of None is every piece."""
    return CheckItem(
        spec_id=spec.id,
        characteristic=spec.characteristic,
        unit=spec.unit,
        nominal=spec.nominal,
        lsl=spec.lsl,
        usl=spec.usl,
        special_class=spec.special_class,
        technique=spec.gauge,
        gauge_id=gauge_id,
        sample_size=sample_size,
        frequency=frequency,
    )
