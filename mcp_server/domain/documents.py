"""The life of a controlled document (ISO 9001 7.5.2 and 7.5.3): which decision leads where, and who may sign it.

    draft --submit--> in_review --approve--> approved --release--> released --(the next is released)--> superseded
      ^-----reject-------+----------reject------+
    withdraw ends a document from any of the first four states.

An editor of a draft supersedes it with the next revision; a released one stays in force until the next is released.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

from mcp_server.domain.records import Checklist, Document, DocumentState, Person, PmPlan, QualityPlan, Sop

__all__ = [
    "EDITABLE",
    "LIVE",
    "OPEN",
    "Decision",
    "confirmation_code",
    "decisions_in",
    "newest_live",
    "next_revision",
    "next_state",
    "objection",
    "released",
]

Decision = Literal["submit", "approve", "reject", "release", "withdraw"]

OPEN = frozenset({DocumentState.DRAFT, DocumentState.IN_REVIEW, DocumentState.APPROVED})
LIVE = OPEN | {DocumentState.RELEASED}

EDITABLE = frozenset({DocumentState.DRAFT, DocumentState.RELEASED})
"""What the next revision may be made from: a draft, which it replaces, or what is in force."""

_MOVES: dict[Decision, dict[DocumentState, DocumentState]] = {
    "submit": {DocumentState.DRAFT: DocumentState.IN_REVIEW},
    "approve": {DocumentState.IN_REVIEW: DocumentState.APPROVED},
    "reject": {DocumentState.IN_REVIEW: DocumentState.DRAFT, DocumentState.APPROVED: DocumentState.DRAFT},
    "release": {DocumentState.APPROVED: DocumentState.RELEASED},
    "withdraw": dict.fromkeys(LIVE, DocumentState.WITHDRAWN),
}
_TAKEN_BACK = {
    ("reject", DocumentState.IN_REVIEW),
    ("withdraw", DocumentState.DRAFT),
    ("withdraw", DocumentState.IN_REVIEW),
}
"""What its author may do with a revision that nobody has approved."""

_APPROVER = "approver"
_CONTROLLER = "document_controller"
_LOTO_ROLES = frozenset({"ehs_manager"})
_ROLES: dict[type[Document], frozenset[str]] = {
    QualityPlan: frozenset({"quality_manager"}),
    Checklist: frozenset({"quality_manager"}),
    PmPlan: frozenset({"maintenance_manager"}),
    Sop: frozenset({"quality_manager", "ehs_manager"}),
}
_MANAGERS = frozenset[str]().union(*_ROLES.values())

D = TypeVar("D", bound=Document)


def next_state(decision: Decision, state: DocumentState) -> DocumentState | None:
    """Where a decision leads, or None where it cannot be taken."""
    return _MOVES[decision].get(state)


def decisions_in(state: DocumentState) -> list[Decision]:
    """What can be decided in a state, in the order of a document's life."""
    return [decision for decision, moves in _MOVES.items() if state in moves]


def newest_live(revisions: Iterable[D]) -> D | None:
    """The revision that is worked on, else the one in force, else None: the document has ended."""
    return max((r for r in revisions if r.state in LIVE), key=lambda r: r.revision, default=None)


def next_revision(revisions: Iterable[Document]) -> int:
    """Counted over all revisions: a number is never used twice, not even one that was withdrawn."""
    return max((revision.revision for revision in revisions), default=0) + 1


def released(revisions: Iterable[D]) -> list[D]:
    """The revisions in force; more than one is an error of the system of record."""
    return [r for r in revisions if r.state is DocumentState.RELEASED]


def objection(decision: Decision, document: Document, person: Person, people: Sequence[Person]) -> str | None:
    """Why this person may not sign, or None. `people` are all on record.

    Review and approval are for suitability and adequacy (ISO 9001 7.5.2 c), so nobody judges their own work: the
    author neither approves nor releases. Where the author is no person on record, whoever submitted stands for them.
    A manager signs in the own function only; the skill `approver` lets others stand in, but never for a lockout
    procedure, which rests with environment, health and safety. A document controller releases and withdraws.
    """
    if decision == "submit":
        return None
    is_writer = person.id in _writers(document, people)
    if is_writer and (decision, document.state) in _TAKEN_BACK:
        return None
    if is_writer and decision in {"approve", "release"}:
        return f"{person.id} ({person.name}) wrote or submitted it, and nobody decides on their own work"
    if person.role in _roles(decision, document):
        return None
    if _APPROVER in person.skills and person.role not in _MANAGERS and not _is_lockout(document):
        return None
    return f"{person.id} ({person.name}, {person.role}) may not {decision} a {_called(document)}"


def confirmation_code(document: Document, decision: Decision, person_id: str) -> str:
    """Eight hexadecimal digits that only fit this decision of this person on this content with these signatures."""
    signed = {"document": document.model_dump(mode="json"), "decision": decision, "by": person_id}
    return hashlib.sha256(json.dumps(signed, sort_keys=True).encode()).hexdigest()[:8]


def _roles(decision: Decision, document: Document) -> frozenset[str]:
    if _is_lockout(document):
        return _LOTO_ROLES
    roles = _ROLES[type(document)]
    return roles | {_CONTROLLER} if decision in {"release", "withdraw"} else roles


def _writers(document: Document, people: Sequence[Person]) -> set[str]:
    author = document.created_by.casefold()
    known = {person.id for person in people if author in {person.id.casefold(), person.name.casefold()}}
    submitted = [signature.by for signature in document.signatures if signature.decision == "submit"]
    return known or set(submitted[-1:])


def _is_lockout(document: Document) -> bool:
    return isinstance(document, Sop) and document.kind == "loto"


def _called(document: Document) -> str:
    return "lockout procedure" if _is_lockout(document) else document.noun
