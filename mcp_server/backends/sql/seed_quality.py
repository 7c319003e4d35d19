"""Quality of the sample plant: control plans, checklists made from them, and inspection results."""

from collections.abc import Iterator, Mapping

from mcp_server.backends.sql.seed_files import SampleFiles, listed, read
from mcp_server.domain.quality.checklists import item_of_row, item_of_spec
from mcp_server.domain.quality.control_plan import complete_row
from mcp_server.domain.quality.inspection import demand_of, judge
from mcp_server.domain.records import (
    CheckItem,
    Checklist,
    DocumentState,
    InspectionResult,
    PlanRow,
    QualityPlan,
    Signature,
    Spec,
    document_key,
)

__all__ = ["checklists", "inspection_results", "quality_plans"]

Row = dict[str, str]

_OWN = {"kind": "product", "unit": "ok/nok"}
"""What a characteristic without a specification is here: judged good or bad on the part."""
_CHECKLISTS_MADE_ON = "2026-06-01"
_CHECKLISTS_MADE_BY = {"ALPHA": "E105", "BETA": "E106", "GAMMA": "E107"}
_STEPS = {
    DocumentState.DRAFT: 0,
    DocumentState.IN_REVIEW: 1,
    DocumentState.APPROVED: 2,
    DocumentState.RELEASED: 3,
    DocumentState.SUPERSEDED: 3,
    DocumentState.WITHDRAWN: 4,
}
_DECISIONS = ("submit", "approve", "release", "withdraw")


def quality_plans(files: SampleFiles) -> Iterator[QualityPlan]:
    specs, revisions = _specs(files), _material_revisions(files)
    rows = files.grouped("quality_plan_rows", "plan_key")
    for row in files.rows("quality_plans"):
        key = document_key(row["id"], int(row["revision"]))
        yield read(
            QualityPlan,
            row,
            material_revision=revisions[row["material_id"]],
            core_team=listed(row["core_team"]),
            rows=tuple(_plan_row(entry, specs) for entry in rows.get(key, ())),
            signatures=_signatures(files, row["created_on"], row["created_by"], DocumentState(row["state"])),
            created_at=files.at(row["created_on"], 7),
        )


def checklists(files: SampleFiles) -> Iterator[Checklist]:
    specs = _specs(files)
    plans = {plan.id: plan for plan in quality_plans(files)}
    items = files.grouped("checklist_items", "checklist_id")
    for row in files.rows("checklists"):
        plan = plans.get(row["plan_id"])
        lot_size = int(row["lot_size"]) if row["lot_size"] else None
        author = row.get("created_by") or files.author(_CHECKLISTS_MADE_BY.get(row["project"], ""))
        made_on = row.get("created_on") or (files.as_of.isoformat() if files.are_own else _CHECKLISTS_MADE_ON)
        yield read(
            Checklist,
            row,
            revision=1,
            plan_revision=None if plan is None else plan.revision,
            items=tuple(_item(item, plan, specs, lot_size) for item in items.get(row["id"], ())),
            signatures=_signatures(files, made_on, author, DocumentState(row["state"])),
            created_at=files.at(made_on, 7),
            created_by=author,
        )


def inspection_results(files: SampleFiles) -> Iterator[InspectionResult]:
    """Ac, Re and the verdict come from the rules, not from the file."""
    lists = {checklist.id: checklist for checklist in checklists(files)}
    lots = {row["id"]: row for row in files.rows("lots")}
    for row in files.rows("inspection_results"):
        checklist, lot, at = lists[row["checklist_id"]], lots[row["lot_id"]], files.moment(row["measured_at"])
        item = checklist.items[int(row["checklist_item"]) - 1]
        readings = tuple(float(value) for value in listed(row["readings"]))
        demand = demand_of(item, int(lot["qty"]))
        judged = judge(readings, lsl=item.lsl, usl=item.usl, accept=demand.accept)
        yield read(
            InspectionResult,
            row,
            project=checklist.project,
            checklist_revision=checklist.revision,
            characteristic=item.characteristic,
            material_id=checklist.material_id,
            sample_size=len(readings),
            readings=readings,
            unit=item.unit or "",
            lsl=item.lsl,
            usl=item.usl,
            nonconforming=judged.nonconforming,
            accept=demand.accept,
            reject=demand.reject,
            verdict=judged.verdict,
            measured_at=at,
            recorded_at=at,
            recorded_by=row["inspector"],
        )


def _specs(files: SampleFiles) -> Mapping[str, Spec]:
    return {row["spec_id"]: read(Spec, row, id=row["spec_id"]) for row in files.rows("specs")}


def _material_revisions(files: SampleFiles) -> Mapping[str, str]:
    return {row["material_id"]: row["revision"] for row in files.rows("materials")}


def _plan_row(row: Row, specs: Mapping[str, Spec]) -> PlanRow:
    spec = specs.get(row["spec_id"])
    return complete_row(read(PlanRow, row | ({} if spec else _OWN)), spec)


def _item(row: Row, plan: QualityPlan | None, specs: Mapping[str, Spec], lot_size: int | None) -> CheckItem:
    if plan is not None:
        return item_of_row(plan.rows[int(row["plan_row"]) - 1], lot_size)
    return item_of_spec(
        specs[row["spec_id"]],
        frequency=row["frequency"],
        sample_size=int(row["sample_size"]),
        gauge_id=row["gauge_id"] or None,
    )


def _signatures(files: SampleFiles, on: str, author: str, state: DocumentState) -> tuple[Signature, ...]:
    if files.are_own:
        return ()
    roles = {person["person_id"]: person["role"] for person in files.rows("people")}
    signers = (author, "E113", "E113", "E113")
    return tuple(
        Signature.model_validate(
            {"decision": decision, "by": by, "role": roles[by], "at": files.at(on, 8 + step)}, strict=False
        )
        for step, (decision, by) in enumerate(zip(_DECISIONS[: _STEPS[state]], signers, strict=False))
    )
