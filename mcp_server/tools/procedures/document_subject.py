"""What a decision about a document is about: the request, the revision, the one in force, and who signs."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain import documents
from mcp_server.domain.documents import Decision
from mcp_server.domain.records import Checklist, Document, Person, PmPlan, QualityPlan, Sop
from mcp_server.pipeline.declaration import Code, ToolCall, WriteRequest
from mcp_server.pipeline.preconditions import document_of, project_of, record_of, revisions_of

__all__ = ["ApproveDocument", "document_named", "former_of", "people_on_record", "signer_of", "today_of"]

_KINDS: Mapping[str, type[Document]] = {
    "quality_plan": QualityPlan,
    "checklist": Checklist,
    "pm_plan": PmPlan,
    "sop": Sop,
}


class ApproveDocument(WriteRequest):
    kind: Annotated[Literal["quality_plan", "checklist", "pm_plan", "sop"], Field(description="Kind")]
    id: Annotated[Code, Field(description="e.g. QP-0001")]
    revision: Annotated[int, Field(ge=1, le=9_999, description="Revision")]
    decision: Annotated[Decision, Field(description="reject: back to draft")]
    approver_id: Annotated[Code, Field(description="Who signs, e.g. E113")]
    comment: Annotated[str | None, Field(min_length=3, max_length=500, description="To reject, withdraw")] = None
    confirmation: Annotated[str | None, Field(min_length=8, max_length=8, description="Code, agreed to")] = None


async def document_named(request: ApproveDocument, call: ToolCall) -> Document:
    """The revision as it was when the call began."""
    kind = _KINDS[request.kind]
    place = (kind, f"{request.id} to decide")
    if isinstance(known := call.seen.get(place), Document):
        return known
    project = await project_of(call, request.project)
    found = await document_of(call, kind, request.id, field="id", project=project, revision=request.revision)
    call.seen[place] = found
    return found


async def former_of(document: Document, call: ToolCall) -> Document | None:
    """The revision in force, if it is another one."""
    in_force = documents.released(await revisions_of(call, type(document), document.id))
    return next((other for other in in_force if other.revision != document.revision), None)


async def signer_of(request: ApproveDocument, call: ToolCall) -> Person:
    project = await project_of(call, request.project)
    return await record_of(call, Person, request.approver_id, field="approver_id", project=project)


async def people_on_record(call: ToolCall) -> tuple[Person, ...]:
    """Everybody on record: an author may be of another project."""
    return (await call.plant.find(Person, Query())).items


async def today_of(request: ApproveDocument, call: ToolCall) -> date:
    return call.today((await project_of(call, request.project)).time_zone)
