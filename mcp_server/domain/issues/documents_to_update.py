"""Which controlled documents a closed issue concerns (8D, D7: prevent recurrence; IATF 16949 8.5.1.1: plan review)."""

from collections.abc import Iterable
from dataclasses import dataclass

from mcp_server.domain.records import Document, DocumentState, Issue, IssueCategory, PmPlan, QualityPlan, Sop

__all__ = ["Place", "concerned", "must_be_reviewed", "review_reason"]

_STANDING = frozenset(set(DocumentState) - {DocumentState.SUPERSEDED, DocumentState.WITHDRAWN})


@dataclass(frozen=True, slots=True)
class Place:
    """Where the problem is and what it is about, as far as that follows from the issue."""

    machine_id: str | None
    workstation: str | None
    material_id: str | None


def must_be_reviewed(issue: Issue, plan: QualityPlan, place: Place) -> bool:
    """Whether closing the issue asks for a review of the plan: it is released and controls the characteristic that
    failed, or a customer complained about its material or machine (IATF 16949 8.5.1.1).
    """
    if plan.state is not DocumentState.RELEASED:
        return False
    return _controls(issue, plan) or (issue.category is IssueCategory.CUSTOMER and _is_about(plan, place))


def concerned(issue: Issue, documents: Iterable[Document], place: Place) -> list[Document]:
    """Documents to look at: plans, procedures of the workstation or machine, and the machine's maintenance plan."""
    return [document for document in documents if document.state in _STANDING and _concerns(issue, document, place)]


def review_reason(issue: Issue, standing: str | None) -> str:
    """The reason for the review with this issue added to it, once."""
    reason = f"{issue.id} ({issue.category}) closed: {issue.title}"
    if standing is None or reason in standing:
        return standing or reason
    return f"{standing}; {reason}"


def _concerns(issue: Issue, document: Document, place: Place) -> bool:
    match document:
        case QualityPlan():
            return _controls(issue, document) or _is_about(document, place)
        case Sop():
            here = document.workstation is not None and document.workstation == place.workstation
            return here or place.machine_id in document.machine_ids
        case PmPlan():
            return document.machine_id == place.machine_id
        case _:
            return False


def _controls(issue: Issue, plan: QualityPlan) -> bool:
    return issue.spec_id is not None and any(row.spec_id == issue.spec_id for row in plan.rows)


def _is_about(plan: QualityPlan, place: Place) -> bool:
    by_machine = place.machine_id is not None and any(row.machine_id == place.machine_id for row in plan.rows)
    return plan.material_id == place.material_id or by_machine
