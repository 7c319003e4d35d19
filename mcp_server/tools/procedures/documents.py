"""Toolset procedures: the decisions about controlled documents of every kind, signed by a person."""

from datetime import date

from mcp_server.domain import documents
from mcp_server.domain.records import (
    SHARED,
    Checklist,
    Document,
    DocumentState,
    Person,
    QualityPlan,
    Signature,
    Sop,
)
from mcp_server.errors import ConfirmationRequired, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Effect, ToolCall, WriteCall, WriteResult, tool
from mcp_server.pipeline.preconditions import ids, project_of, revisions_of
from mcp_server.tools.procedures.document_consequences import consequences
from mcp_server.tools.procedures.document_gates import (
    plan_is_complete,
    plan_of_checklist_is_released,
    remarks_on_plan,
    sop_is_complete,
)
from mcp_server.tools.procedures.document_subject import (
    ApproveDocument,
    document_named,
    former_of,
    people_on_record,
    signer_of,
    today_of,
)

__all__ = ["TOOLS"]

_NEEDS_COMMENT = ("reject", "withdraw")
_NEEDS_CONFIRMATION = ("release", "withdraw")
_NEEDS_WHOLE = ("approve", "release")


class DocumentDecided(WriteResult):
    """The document without its content. `superseded` is the revision that was in force until now."""

    record: Document
    superseded: int | None = None

    @property
    def stored(self) -> Document | None:
        return self.record


async def _decision_can_be_taken(request: ApproveDocument, call: ToolCall) -> None:
    document = await document_named(request, call)
    if documents.next_state(request.decision, document.state) is not None:
        return
    possible = documents.decisions_in(document.state)
    live = documents.newest_live(await revisions_of(call, type(document), document.id))
    if possible:
        way_out = f"Of a document that is {document.state} you can {' or '.join(possible)}."
    elif live is not None:
        way_out = f"Revision {live.revision} is {live.state}; decide about that one."
    else:
        way_out = "The document has ended; make a new one."
    raise RuleViolated(
        f"{document.id} revision {document.revision} is {document.state}, so you cannot {request.decision} it.",
        field="decision" if possible else "revision",
        suggestion=way_out,
        alternatives=possible or ([str(live.revision)] if live is not None else ()),
    )


async def _signer_has_the_authority(request: ApproveDocument, call: ToolCall) -> None:
    document = await document_named(request, call)
    people = await people_on_record(call)
    reason = documents.objection(request.decision, document, await signer_of(request, call), people)
    if reason is None:
        return
    near = {SHARED, (await project_of(call, request.project)).id}
    here = [person for person in people if person.project in near]
    able = [person for person in here if documents.objection(request.decision, document, person, people) is None]
    named = ", ".join(f"{person.id} ({person.name}, {person.role})" for person in able)
    raise RuleViolated(
        f"{reason}.",
        field="approver_id",
        suggestion=f"Ask {named}." if able else "Nobody on record may; a person with that role must be added first.",
        alternatives=ids(able),
    )


async def _nobody_signs_for_another(request: ApproveDocument, call: ToolCall) -> None:
    """Who is known to act must be who signs; a signature is not given in another person's name."""
    acting = (request.on_behalf_of or "").casefold()
    known = [p for p in await people_on_record(call) if acting in {p.id.casefold(), p.name.casefold()}]
    if known and request.approver_id not in ids(known):
        raise RuleViolated(
            f"{known[0].name} cannot sign as {request.approver_id}.",
            field="approver_id",
            suggestion=f"Let {request.approver_id} decide, or sign as {known[0].id}.",
            alternatives=ids(known),
        )


async def _comment_is_given(request: ApproveDocument, _call: ToolCall) -> None:
    if request.decision in _NEEDS_COMMENT and request.comment is None:
        raise RuleViolated(
            f"To {request.decision} a document takes a comment.",
            field="comment",
            suggestion="Say why, so that its author knows what to do.",
        )


async def _content_is_complete(request: ApproveDocument, call: ToolCall) -> None:
    document = await document_named(request, call)
    if request.decision not in _NEEDS_WHOLE:
        return
    match document:
        case QualityPlan():
            await plan_is_complete(document, call, await project_of(call, request.project))
        case Checklist():
            await plan_of_checklist_is_released(document, call)
        case Sop():
            sop_is_complete(document)
        case _:
            pass


async def _a_person_confirms(request: ApproveDocument, call: ToolCall) -> None:
    """What takes effect on the floor is never decided by a program alone (ISO 9001 7.5.2 c, 7.5.3.2)."""
    if request.decision not in _NEEDS_CONFIRMATION or request.dry_run:
        return
    document = await document_named(request, call)
    code = documents.confirmation_code(document, request.decision, request.approver_id)
    if request.confirmation == code:
        return
    stale = "The code is not that of what would happen now. " if request.confirmation is not None else ""
    raise ConfirmationRequired(
        stale + await _what_will_happen(document, request, call),
        field="confirmation",
        suggestion="Show this to the person who signs. Only if they agree, call again with the code as confirmation.",
        alternatives=[code],
    )


async def _what_will_happen(document: Document, request: ApproveDocument, call: ToolCall) -> str:
    signer = await signer_of(request, call)
    what = f"{document.noun} {document.id} revision {document.revision}, {document.title!r}"
    signs = f"{signer.id} ({signer.name}, {signer.role}) signs."
    if request.decision == "withdraw":
        was = " It is in force now and will not be any more." if document.state is DocumentState.RELEASED else ""
        return f"This will withdraw {what}, for good.{was} {signs}"
    former = await former_of(document, call)
    replaced = f"Revision {former.revision}, in force now, is superseded." if former else "It is the first in force."
    since = f" It is effective from {(await today_of(request, call)).isoformat()}." if isinstance(document, Sop) else ""
    return f"This will release {what}.{since} {replaced} {signs}"


async def _decision_is_stored(request: ApproveDocument, _result: DocumentDecided, call: WriteCall) -> None:
    """Read again, the revision has one signature more and the state it leads to, and the content it had before."""
    before = await document_named(request, call)
    stored = await call.plant.get(type(before), before.key)
    last = stored.signatures[-1] if stored is not None and stored.signatures else None
    signed = None if last is None else (last.decision, last.by, last.at, last.comment)
    moved: dict[str, object] = {"state": documents.next_state(request.decision, before.state)}
    if isinstance(before, Sop) and request.decision == "release":
        moved["effective_on"] = await today_of(request, call)
    if signed != (request.decision, request.approver_id, call.now, request.comment) or stored != before.model_copy(
        update=moved | {"signatures": (*before.signatures, last)}
    ):
        raise VerificationFailed(
            f"{before.id} revision {before.revision} is not stored as decided.",
            field="decision",
            suggestion="Nothing was kept. Report this to whoever runs the system of record.",
        )


async def _one_revision_is_in_force(request: ApproveDocument, result: DocumentDecided, call: WriteCall) -> None:
    """After a release exactly this revision is released, and the former one is superseded."""
    document = await document_named(request, call)
    revisions = await revisions_of(call, type(document), document.id)
    in_force = [revision.revision for revision in documents.released(revisions)]
    gone = [r.revision for r in revisions if r.state is DocumentState.SUPERSEDED]
    right = in_force == [document.revision] if request.decision == "release" else len(in_force) <= 1
    if right and (result.superseded is None or result.superseded in gone):
        return
    raise VerificationFailed(
        f"Of {document.id}, revisions {in_force} are released and {gone} superseded, which cannot be.",
        field="revision",
        suggestion="Nothing was kept. Report this to whoever runs the system of record.",
    )


@tool(
    toolset="procedures",
    effect=Effect.DESTROY,
    request=ApproveDocument,
    result=DocumentDecided,
    preconditions=(
        _decision_can_be_taken,
        _signer_has_the_authority,
        _nobody_signs_for_another,
        _comment_is_given,
        _content_is_complete,
        _a_person_confirms,
    ),
    result_checks=(_decision_is_stored, _one_revision_is_in_force),
)
async def approve_document(request: ApproveDocument, call: WriteCall) -> DocumentDecided:
    """Submit, approve, reject, release or withdraw a revision. Authors never approve or release. Release and withdraw
    need a person: the first call answers what will happen, and a code.
    """
    document = await document_named(request, call)
    former = await former_of(document, call) if request.decision == "release" else None
    if former is not None:
        await call.unit.replace(former.model_copy(update={"state": DocumentState.SUPERSEDED}))
    decided = _decided(document, request, await signer_of(request, call), call, await today_of(request, call))
    await call.unit.replace(decided)
    told = await consequences(decided, call)
    if isinstance(document, QualityPlan) and request.decision in _NEEDS_WHOLE:
        told = (*await remarks_on_plan(document, call, await project_of(call, request.project)), *told)
    return DocumentDecided(
        status="updated",
        record=decided,
        superseded=None if former is None else former.revision,
        warnings=told,
    )


def _decided(document: Document, request: ApproveDocument, signer: Person, call: ToolCall, today: date) -> Document:
    signature = Signature(
        decision=request.decision, by=signer.id, role=signer.role, at=call.now, comment=request.comment
    )
    update: dict[str, object] = {
        "state": documents.next_state(request.decision, document.state),
        "signatures": (*document.signatures, signature),
    }
    if request.decision == "release" and isinstance(document, Sop):
        update["effective_on"] = today
    return document.model_copy(update=update)


TOOLS = (approve_document,)
