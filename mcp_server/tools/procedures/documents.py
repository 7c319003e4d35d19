"""Toolset procedures: the decisions about controlled documents of every kind, signed by a person."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain import documents
from mcp_server.domain.documents import Decision
from mcp_server.domain.records import (
    SHARED,
    Checklist,
    Document,
    DocumentState,
    Person,
    PmPlan,
    QualityPlan,
    Signature,
    Sop,
)
from mcp_server.errors import ConfirmationRequired, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Code, Effect, ToolCall, WriteCall, WriteRequest, WriteResult, tool
from mcp_server.pipeline.preconditions import document_of, ids, project_of, record_of, revisions_of
from mcp_server.tools.procedures.document_consequences import consequences
from mcp_server.tools.procedures.document_gates import plan_is_complete, plan_of_checklist_is_released, sop_is_complete

__all__ = ["TOOLS"]

_KINDS: Mapping[str, type[Document]] = {
    "quality_plan": QualityPlan,
    "checklist": Checklist,
    "pm_plan": PmPlan,
    "sop": Sop,
}
_NEEDS_COMMENT = ("reject", "withdraw")
_NEEDS_CONFIRMATION = ("release", "withdraw")
_NEEDS_WHOLE = ("approve", "release")


class ApproveDocument(WriteRequest):
    kind: Annotated[Literal["quality_plan", "checklist", "pm_plan", "sop"], Field(description="Kind")]
    id: Annotated[Code, Field(description="e.g. QP-0001")]
    revision: Annotated[int, Field(ge=1, le=9_999, description="Revision")]
    decision: Annotated[Decision, Field(description="reject: back to draft")]
    approver_id: Annotated[Code, Field(description="Who signs, e.g. E113")]
    comment: Annotated[str | None, Field(min_length=3, max_length=500, description="To reject, withdraw")] = None
    confirmation: Annotated[str | None, Field(min_length=8, max_length=8, description="Code, agreed to")] = None


class DocumentDecided(WriteResult):
    """The document without its content. `superseded` is the revision that was in force until now."""

    record: Document
    superseded: int | None = None

    @property
    def stored(self) -> Document | None:
        return self.record


async def _decision_can_be_taken(request: ApproveDocument, call: ToolCall) -> None:
    document = await _document(request, call)
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
    document = await _document(request, call)
    people = await _people(call)
    reason = documents.objection(request.decision, document, await _signer(request, call), people)
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
    known = [p for p in await _people(call) if acting in {p.id.casefold(), p.name.casefold()}]
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
    document = await _document(request, call)
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
    document = await _document(request, call)
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
    signer = await _signer(request, call)
    what = f"{document.noun} {document.id} revision {document.revision}, {document.title!r}"
    signs = f"{signer.id} ({signer.name}, {signer.role}) signs."
    if request.decision == "withdraw":
        was = " It is in force now and will not be any more." if document.state is DocumentState.RELEASED else ""
        return f"This will withdraw {what}, for good.{was} {signs}"
    former = await _former(document, call)
    replaced = f"Revision {former.revision}, in force now, is superseded." if former else "It is the first in force."
    since = f" It is effective from {(await _today(request, call)).isoformat()}." if isinstance(document, Sop) else ""
    return f"This will release {what}.{since} {replaced} {signs}"


async def _decision_is_stored(request: ApproveDocument, _result: DocumentDecided, call: WriteCall) -> None:
    """Read again, the revision has one signature more and the state it leads to, and the content it had before."""
    before = await _document(request, call)
    stored = await call.plant.get(type(before), before.key)
    last = stored.signatures[-1] if stored is not None and stored.signatures else None
    signed = None if last is None else (last.decision, last.by, last.at, last.comment)
    moved: dict[str, object] = {"state": documents.next_state(request.decision, before.state)}
    if isinstance(before, Sop) and request.decision == "release":
        moved["effective_on"] = await _today(request, call)
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
    document = await _document(request, call)
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
    document = await _document(request, call)
    former = await _former(document, call) if request.decision == "release" else None
    if former is not None:
        await call.unit.replace(former.model_copy(update={"state": DocumentState.SUPERSEDED}))
    decided = _decided(document, request, await _signer(request, call), call, await _today(request, call))
    await call.unit.replace(decided)
    return DocumentDecided(
        status="updated",
        record=decided,
        superseded=None if former is None else former.revision,
        warnings=await consequences(decided, call),
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


async def _document(request: ApproveDocument, call: ToolCall) -> Document:
    """The revision as it was when the call began."""
    kind = _KINDS[request.kind]
    place = (kind, f"{request.id} to decide")
    if isinstance(known := call.seen.get(place), Document):
        return known
    project = await project_of(call, request.project)
    found = await document_of(call, kind, request.id, field="id", project=project, revision=request.revision)
    call.seen[place] = found
    return found


async def _former(document: Document, call: ToolCall) -> Document | None:
    """The revision in force, if it is another one."""
    in_force = documents.released(await revisions_of(call, type(document), document.id))
    return next((other for other in in_force if other.revision != document.revision), None)


async def _signer(request: ApproveDocument, call: ToolCall) -> Person:
    project = await project_of(call, request.project)
    return await record_of(call, Person, request.approver_id, field="approver_id", project=project)


async def _people(call: ToolCall) -> tuple[Person, ...]:
    """Everybody on record: an author may be of another project."""
    return (await call.plant.find(Person, Query())).items


async def _today(request: ApproveDocument, call: ToolCall) -> date:
    return call.today((await project_of(call, request.project)).time_zone)


TOOLS = (approve_document,)
