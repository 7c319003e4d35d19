"""Toolset core: any record by its id, and a text search over all of them. The tools only read."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain import records
from mcp_server.domain.records import SHARED, ChangedRecord, Document, DocumentState, HistoryEntry, Project, Record
from mcp_server.domain.search import score, words_of
from mcp_server.errors import NotFound, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Effect,
    ListRequest,
    ListResult,
    ProjectField,
    Request,
    Result,
    ToolCall,
    tool,
)
from mcp_server.pipeline.preconditions import document_of, project_of, record_of, revisions_of
from mcp_server.tools.paging import envelope, page_is_as_asked, page_of

__all__ = ["KINDS", "TOOLS", "RecordType"]

RecordType = Literal[
    "project", "place", "machine", "material", "spec", "workstation", "gauge", "person", "training", "stock", "lot",
    "meter_reading", "calendar", "takt_inputs", "quality_plan", "checklist", "inspection_result", "pm_plan", "pm_task",
    "work_order", "maintenance_record", "sop", "issue",
]  # fmt: skip

KINDS: Mapping[RecordType, type[Record]] = {
    "project": Project,
    "place": records.EquipmentNode,
    "machine": records.Machine,
    "material": records.Material,
    "spec": records.Spec,
    "workstation": records.Workstation,
    "gauge": records.Gauge,
    "person": records.Person,
    "training": records.TrainingRecord,
    "stock": records.StockItem,
    "lot": records.Lot,
    "meter_reading": records.MeterReading,
    "calendar": records.PlantDay,
    "takt_inputs": records.TaktInputs,
    "quality_plan": records.QualityPlan,
    "checklist": records.Checklist,
    "inspection_result": records.InspectionResult,
    "pm_plan": records.PmPlan,
    "pm_task": records.PmTask,
    "work_order": records.WorkOrder,
    "maintenance_record": records.MaintenanceRecord,
    "sop": records.Sop,
    "issue": records.Issue,
}
_MOST_HISTORY = 100
_MOST_CANDIDATES = 200
_MOST_LOOKED_FOR = 3
_TEXTS = (
    "title",
    "name",
    "characteristic",
    "summary",
    "operation",
    "description",
    "type",
    "machine_id",
    "spec_id",
    "material_id",
    "workstation",
)
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


class GetRecord(Request):
    project: ProjectField
    type: Annotated[
        RecordType, Field(description="e.g. machine, sop, work_order", json_schema_extra=records.LISTED_ELSEWHERE)
    ]
    id: Annotated[Code, Field(description="e.g. MC-103")]
    revision: Annotated[int | None, Field(ge=1, le=9_999, description="Default: newest")] = None
    include_history: Annotated[bool, Field(description="Who changed what")] = False


class RevisionItem(Result):
    revision: int
    state: DocumentState
    created_at: datetime
    created_by: str
    change_reason: str | None = None


class OneRecord(Result):
    """`revision` counts what was stored; `revisions` are those of a document, oldest first."""

    type: RecordType
    record: dict[str, Any]
    revision: int | None = None
    revisions: tuple[RevisionItem, ...] | None = None
    history: tuple[HistoryEntry, ...] | None = None
    as_of: datetime
    source: str


class SearchRecords(ListRequest):
    project: ProjectField
    q: Annotated[str, Field(min_length=2, max_length=120, description="Words")]
    types: Annotated[tuple[Code, ...] | None, Field(min_length=1, max_length=23, description="As in get_record")] = None
    limit: Annotated[int, Field(ge=1, le=50, description="Page size")] = 20


class Hit(Result):
    """`score`: 1 is what was asked for word for word, 0 has nothing of it."""

    type: RecordType
    id: str
    title: str
    project: str
    state: str | None = None
    score: float

    @property
    def key(self) -> str:
        return f"{self.type} {self.id}"


class Hits(ListResult[Hit]):
    pass


async def _revision_is_kept(request: GetRecord, call: ToolCall) -> None:
    """All revisions of a document are kept; of any other record only the present one."""
    kind = KINDS[request.type]
    if request.revision is None or issubclass(kind, Document):
        return
    stored = await record_of(call, kind, request.id, field="id", project=await project_of(call, request.project))
    present = _revision_of(stored)
    if present == request.revision:
        return
    raise NotFound(
        f"{stored.id} has no revision {request.revision}: of a {stored.noun} only the present state is kept.",
        field="revision",
        suggestion="Leave revision out; include_history tells what was changed.",
        alternatives=[] if present is None else [str(present)],
    )


async def _record_is_the_stored_one(request: GetRecord, result: OneRecord, call: ToolCall) -> None:
    stored = await _stored(request, call)
    if stored is None or result.record != stored.model_dump(mode="json", exclude_none=True):
        raise VerificationFailed(f"{request.id} is not told as it is on record.", field="record")
    if result.revision != _revision_of(stored):
        raise VerificationFailed(f"{request.id} is told with a wrong revision.", field="revision")


@tool(
    toolset="core",
    effect=Effect.READ,
    request=GetRecord,
    result=OneRecord,
    preconditions=(_revision_is_kept,),
    result_checks=(_record_is_the_stored_one,),
)
async def get_record(request: GetRecord, call: ToolCall) -> OneRecord:
    """Read one record of any kind, with its revisions and its history."""
    kind = KINDS[request.type]
    project = await project_of(call, request.project)
    if issubclass(kind, Document):
        found: Record = await document_of(
            call, kind, request.id, field="id", project=project, revision=request.revision
        )
        revisions = tuple(_revision(document) for document in await revisions_of(call, kind, found.id))
    else:
        found, revisions = await record_of(call, kind, request.id, field="id", project=project), None
    changes = Query({"record_type": (kind.__name__,), "record_id": (found.id,)}, limit=_MOST_HISTORY, descending=True)
    return OneRecord(
        type=request.type,
        record=found.model_dump(mode="json", exclude_none=True),
        revision=_revision_of(found),
        revisions=revisions,
        history=(await call.plant.find(HistoryEntry, changes)).items if request.include_history else None,
        as_of=call.now,
        source=call.source,
    )


async def _types_are_known(request: SearchRecords, _call: ToolCall) -> None:
    for position, name in enumerate(request.types or ()):
        if name not in KINDS:
            raise RuleViolated(
                f"There is no type of record {name!r}.",
                field=f"types[{position}]",
                suggestion="Use types that get_record takes, or leave types out to search all.",
                alternatives=get_close_matches(name, KINDS, n=5, cutoff=0.4) or list(KINDS),
            )


async def _hits_are_real(request: SearchRecords, result: Hits, call: ToolCall) -> None:
    """Every hit is read again and scored anew; the best come first."""
    for hit in result.items:
        kind = KINDS[hit.type]
        by_id = await call.plant.find(kind, Query({"id": (hit.id,)}, limit=1, descending=True))
        again = _hit(hit.type, by_id.items[0], request.q) if by_id.items else None
        if again != hit:
            raise VerificationFailed(f"{hit.key} cannot be read as it was found.", field="items")
    scores = [hit.score for hit in result.items]
    if scores != sorted(scores, reverse=True):
        raise VerificationFailed("The hits are not in the order of their score.", field="items")


@tool(
    toolset="core",
    effect=Effect.READ,
    request=SearchRecords,
    result=Hits,
    preconditions=(_types_are_known,),
    result_checks=(page_is_as_asked, _hits_are_real),
)
async def search_records(request: SearchRecords, call: ToolCall) -> Hits:
    """Search all kinds of records by words, best hits first. Read one with get_record."""
    project = await project_of(call, request.project)
    words = words_of(request.q)
    hits: dict[str, Hit] = {}
    for name, kind in KINDS.items():
        if request.types is not None and name not in request.types:
            continue
        for record in await _candidates(call, kind, project, words or (request.q,)):
            hit = _hit(name, record, request.q)
            hits[hit.key] = hit
    best = sorted(
        (hit for hit in hits.values() if hit.score > 0), key=lambda hit: (-hit.score, _RANK[hit.type], hit.id)
    )
    page = page_of(best, request, lambda hit: hit.key)
    return Hits(items=page.items, **envelope(page, call))


async def _stored(request: GetRecord, call: ToolCall) -> Record | None:
    kind = KINDS[request.type]
    if not issubclass(kind, Document):
        return await call.plant.get(kind, request.id)
    found = await revisions_of(call, kind, request.id)
    wanted = [document for document in found if request.revision in {None, document.revision}]
    return wanted[-1] if wanted else None


def _revision_of(record: Record) -> int | None:
    """A material's revision is that of its drawing, and is no such count."""
    return record.revision if isinstance(record, Document | ChangedRecord) else None


def _revision(document: Document) -> RevisionItem:
    return RevisionItem(**{name: getattr(document, name) for name in RevisionItem.model_fields})


async def _candidates(call: ToolCall, kind: type[Record], project: Project, words: Iterable[str]) -> Iterable[Record]:
    """The newest records with one of the longest words; of a document its newest revision, whatever that says."""
    among: dict[str, tuple[str, ...]] = {}
    if kind is Project:
        among["id"] = (project.id,)
    elif "project" in kind.model_fields:
        among["project"] = (project.id, SHARED)
    found: dict[str, Record] = {}
    for word in sorted(words, key=len, reverse=True)[:_MOST_LOOKED_FOR]:
        page = await call.plant.find(kind, Query(among, word, limit=_MOST_CANDIDATES, descending=True))
        found |= {record.id: record for record in page.items}
    if not found or not issubclass(kind, Document):
        return found.values()
    every = (await call.plant.find(kind, Query({"id": tuple(found)}))).items
    return {document.id: document for document in every}.values()


def _hit(name: RecordType, record: Record, q: str) -> Hit:
    title = record.known_as or record.id
    texts = " ".join(str(getattr(record, field, "")) for field in _TEXTS)
    state = getattr(record, "state", None) or getattr(record, "status", None)
    return Hit(
        type=name,
        id=record.id,
        title=title,
        project=record.id if isinstance(record, Project) else getattr(record, "project", SHARED),
        state=None if state is None else str(state),
        score=score(q, record_id=record.id, title=title, text=texts),
    )


TOOLS = (get_record, search_records)
