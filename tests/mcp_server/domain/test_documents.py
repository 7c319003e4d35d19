"""The graph of a document's life, and who may sign, rule by rule."""

from datetime import UTC, datetime

import pytest

from mcp_server.domain import documents
from mcp_server.domain.documents import Decision
from mcp_server.domain.records import (
    Checklist,
    Document,
    DocumentState,
    Person,
    PmPlan,
    QualityPlan,
    Signature,
    Sop,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
S = DocumentState
GRAPH = {
    (S.DRAFT, "submit"): S.IN_REVIEW,
    (S.IN_REVIEW, "approve"): S.APPROVED,
    (S.IN_REVIEW, "reject"): S.DRAFT,
    (S.APPROVED, "reject"): S.DRAFT,
    (S.APPROVED, "release"): S.RELEASED,
    (S.DRAFT, "withdraw"): S.WITHDRAWN,
    (S.IN_REVIEW, "withdraw"): S.WITHDRAWN,
    (S.APPROVED, "withdraw"): S.WITHDRAWN,
    (S.RELEASED, "withdraw"): S.WITHDRAWN,
}
DECISIONS: tuple[Decision, ...] = ("submit", "approve", "reject", "release", "withdraw")
COMMON = {"id": "D-1", "project": "ALPHA", "title": "A document", "created_at": NOW}


def a_person(person_id: str, role: str, *skills: str, name: str = "") -> Person:
    return Person(
        id=person_id, project="ALPHA", name=name or f"Name of {person_id}", role=role, skills=skills, shift="A"
    )


ENGINEER = a_person("E1", "quality_engineer", name="Faye Kim")
QUALITY = a_person("E2", "quality_manager", "approver")
MAINTENANCE = a_person("E3", "maintenance_manager", "approver")
EHS = a_person("E4", "ehs_manager", "approver")
CONTROLLER = a_person("E5", "document_controller")
DEPUTY = a_person("E6", "process_engineer", "approver")
PEOPLE = (ENGINEER, QUALITY, MAINTENANCE, EHS, CONTROLLER, DEPUTY)


def a_plan(
    state: DocumentState = S.IN_REVIEW, *, revision: int = 1, by: str = "Faye Kim", signed: tuple[Signature, ...] = ()
) -> QualityPlan:
    given = {"revision": revision, "state": state, "created_by": by, "signatures": signed}
    kind = {"phase": "prototype", "material_id": "M-1", "material_revision": "A", "rows": ()}
    return QualityPlan.model_validate(COMMON | given | kind, strict=False)


def another(of_kind: type[Document], state: DocumentState = S.IN_REVIEW, **content: object) -> Document:
    given = {"revision": 1, "state": state, "created_by": "somebody"}
    return of_kind.model_validate(COMMON | given | content, strict=False)


LOTO = another(Sop, kind="loto")
SOP = another(Sop)
PM_PLAN = another(PmPlan, machine_id="MC-1", task_ids=())
CHECKLIST = another(Checklist, material_id="M-1", operation="OP10", items=())


def may(decision: Decision, document: Document) -> set[str]:
    return {p.id for p in PEOPLE if documents.objection(decision, document, p, PEOPLE) is None}


@pytest.mark.parametrize("state", list(DocumentState))
@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_leads_along_the_graph_and_nowhere_else(state: DocumentState, decision: Decision) -> None:
    assert documents.next_state(decision, state) == GRAPH.get((state, decision))
    assert (decision in documents.decisions_in(state)) is ((state, decision) in GRAPH)


def test_a_superseded_or_withdrawn_revision_has_ended() -> None:
    assert documents.decisions_in(S.SUPERSEDED) == documents.decisions_in(S.WITHDRAWN) == []


@pytest.mark.parametrize(
    ("states", "newest"),
    [
        ([S.SUPERSEDED, S.DRAFT], 2),
        ([S.RELEASED, S.DRAFT], 2),
        ([S.RELEASED, S.WITHDRAWN], 1),
        ([S.SUPERSEDED, S.WITHDRAWN], None),
        ([S.SUPERSEDED, S.RELEASED, S.APPROVED, S.WITHDRAWN], 3),
        ([], None),
    ],
)
def test_the_newest_live_revision_is_the_one_to_work_on(states: list[DocumentState], newest: int | None) -> None:
    revisions = [a_plan(state, revision=number) for number, state in enumerate(states, 1)]
    found = documents.newest_live(revisions)
    assert (None if found is None else found.revision) == newest
    assert documents.next_revision(revisions) == len(states) + 1
    assert [r.state for r in documents.released(revisions)] == [s for s in states if s is S.RELEASED]


def test_anybody_submits_even_the_author() -> None:
    assert may("submit", a_plan(S.DRAFT)) == {p.id for p in PEOPLE}


@pytest.mark.parametrize(
    ("document", "approvers"),
    [
        (a_plan(), {"E2", "E6"}),
        (CHECKLIST, {"E2", "E6"}),
        (PM_PLAN, {"E3", "E6"}),
        (SOP, {"E2", "E4", "E6"}),
        (LOTO, {"E4"}),
    ],
    ids=["quality plan", "checklist", "pm plan", "sop", "loto"],
)
def test_each_kind_is_approved_by_its_own_function(document: Document, approvers: set[str]) -> None:
    assert may("approve", document) == may("reject", document) - {"E1"} == approvers


@pytest.mark.parametrize("document", [a_plan(S.APPROVED), PM_PLAN, SOP, CHECKLIST])
def test_a_document_controller_releases_and_withdraws_what_others_approved(document: Document) -> None:
    assert "E5" not in may("approve", document)
    assert {"E5"} <= may("release", document)
    assert {"E5"} <= may("withdraw", document)


def test_a_lockout_procedure_is_released_and_withdrawn_only_by_environment_health_and_safety() -> None:
    assert may("release", LOTO) == may("withdraw", LOTO) == {"E4"}


@pytest.mark.parametrize("by", ["E2", "e2", "Name of E2", "NAME OF E2"])
def test_the_author_neither_approves_nor_releases_whatever_their_role(by: str) -> None:
    assert "E2" not in may("approve", a_plan(by=by)) | may("release", a_plan(S.APPROVED, by=by))
    reason = documents.objection("approve", a_plan(by=by), QUALITY, PEOPLE)
    assert reason is not None
    assert "own work" in reason


def test_who_submitted_stands_for_an_author_that_is_no_person_on_record() -> None:
    def submitted(*people: str) -> tuple[Signature, ...]:
        return tuple(Signature(decision="submit", by=by, role="x", at=NOW) for by in people)

    assert "E2" not in may("approve", a_plan(by="local", signed=submitted("E2")))
    assert "E2" in may("approve", a_plan(by="local", signed=submitted("E2", "E1")))
    assert "E2" in may("approve", a_plan(by="Faye Kim", signed=submitted("E2")))
    assert "E2" in may("approve", a_plan(by="local"))


@pytest.mark.parametrize(
    ("decision", "state", "allowed"),
    [
        ("reject", S.IN_REVIEW, True),
        ("withdraw", S.DRAFT, True),
        ("withdraw", S.IN_REVIEW, True),
        ("reject", S.APPROVED, False),
        ("withdraw", S.APPROVED, False),
        ("withdraw", S.RELEASED, False),
    ],
)
def test_the_author_takes_back_only_what_nobody_has_approved(
    decision: Decision, state: DocumentState, allowed: bool
) -> None:
    assert ("E1" in may(decision, a_plan(state))) is allowed


def test_an_objection_names_the_person_the_role_and_the_kind() -> None:
    assert documents.objection("approve", LOTO, MAINTENANCE, PEOPLE) == (
        "E3 (Name of E3, maintenance_manager) may not approve a lockout procedure"
    )


def test_a_code_fits_one_decision_of_one_person_on_one_content_only() -> None:
    plan = a_plan(S.APPROVED)
    signature = Signature(decision="approve", by="E2", role="quality_manager", at=NOW)
    codes = [
        documents.confirmation_code(plan, "release", "E2"),
        documents.confirmation_code(plan, "withdraw", "E2"),
        documents.confirmation_code(plan, "release", "E5"),
        documents.confirmation_code(plan.model_copy(update={"title": "Another"}), "release", "E2"),
        documents.confirmation_code(plan.model_copy(update={"revision": 2}), "release", "E2"),
        documents.confirmation_code(plan.model_copy(update={"signatures": (signature,)}), "release", "E2"),
    ]
    assert len(set(codes)) == len(codes)
    assert all(len(code) == 8 and int(code, 16) >= 0 for code in codes)
    assert documents.confirmation_code(a_plan(S.APPROVED), "release", "E2") == codes[0]
