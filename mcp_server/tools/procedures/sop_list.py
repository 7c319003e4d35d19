"""Toolset procedures: reading standard operating procedures and lockout procedures."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.documents import LIVE, OPEN, released
from mcp_server.domain.maintenance.lockout import inspection_is_overdue
from mcp_server.domain.procedures.sop import missing_sections, review_is_overdue
from mcp_server.domain.records import (
    LISTED_ELSEWHERE,
    SHARED,
    DocumentState,
    Machine,
    MachineStatus,
    Project,
    Sop,
    SopKind,
    Workstation,
)
from mcp_server.errors import RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Effect,
    ListRequest,
    ListResult,
    ProjectField,
    Result,
    ToolCall,
    tool,
)
from mcp_server.pipeline.preconditions import document_of, project_of, record_of, revisions_of
from mcp_server.tools.paging import envelope, page_is_as_asked, page_of, selection

__all__ = ["TOOLS"]

Flag = Literal["review_overdue", "not_released_in_use", "inspection_overdue", "not_current"]


class GetSops(ListRequest):
    project: ProjectField
    id: Annotated[Code | None, Field(description="Gives the full text")] = None
    revision: Annotated[int | None, Field(ge=1, le=10_000, description="Default: newest")] = None
    workstation: Annotated[Code | None, Field(description="e.g. ALPHA-OP70")] = None
    state: Annotated[DocumentState | None, Field(description="e.g. released", json_schema_extra=LISTED_ELSEWHERE)] = (
        None
    )
    q: Annotated[str | None, Field(min_length=2, max_length=80, description="Text in id or title")] = None


class SopRevision(Result):
    revision: int
    state: DocumentState
    change_reason: str | None = None
    created_at: datetime
    created_by: str


class SopItem(Result):
    """One revision; `document`, `missing_sections` and `revisions` only when one procedure was asked for."""

    id: str
    revision: int
    project: str
    kind: SopKind
    title: str
    state: DocumentState
    workstation: str | None = None
    machine_ids: tuple[str, ...] = ()
    effective_on: date | None = None
    steps: int
    flags: tuple[Flag, ...] = ()
    document: Sop | None = None
    missing_sections: tuple[str, ...] | None = None
    revisions: tuple[SopRevision, ...] | None = None

    @property
    def key(self) -> str:
        return f"{self.id}@{self.revision}"


class Sops(ListResult[SopItem]):
    pass


async def _procedures_exist(request: GetSops, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    if request.workstation is not None:
        await record_of(call, Workstation, request.workstation, field="workstation", project=project)
    if request.id is not None:
        await document_of(call, Sop, request.id, field="id", project=project, revision=request.revision)
    elif request.revision is not None:
        raise RuleViolated(
            "A revision is one of a certain procedure.", field="revision", suggestion="Give id too, or leave it out."
        )


async def _one_revision_is_in_force(_request: GetSops, result: Sops, call: ToolCall) -> None:
    """Two released revisions of one procedure: nobody could say by which one to work (ISO 9001 7.5.3)."""
    for sop_id in {item.id for item in result.items}:
        in_force = released(await revisions_of(call, Sop, sop_id))
        if len(in_force) > 1:
            raise VerificationFailed(
                f"{sop_id} has {len(in_force)} released revisions: {', '.join(str(r.revision) for r in in_force)}.",
                suggestion="Withdraw all but one, or report this to whoever runs the system of record.",
            )


@tool(
    toolset="procedures",
    effect=Effect.READ,
    request=GetSops,
    result=Sops,
    preconditions=(_procedures_exist,),
    result_checks=(page_is_as_asked, _one_revision_is_in_force),
)
async def get_sops(request: GetSops, call: ToolCall) -> Sops:
    """Find procedures by their newest revision, with flags on what is overdue or not in force."""
    project = await project_of(call, request.project)
    every = (await call.plant.find(Sop, Query(selection(project=(project.id, SHARED))))).items
    among = selection(project=(project.id, SHARED), id=request.id, workstation=request.workstation)
    found = (await call.plant.find(Sop, Query(among, text=request.q))).items
    running = await _running_stations(project, call)
    today = call.today(project.time_zone)
    items = [
        _item(sop, every, running, today, whole=request.id is not None) for sop in _asked_for(request, found, every)
    ]
    page = page_of(items, request, lambda item: item.key)
    return Sops(items=page.items, warnings=tuple(_warnings(page.items)), **envelope(page, call))


def _asked_for(request: GetSops, found: Iterable[Sop], every: Sequence[Sop]) -> list[Sop]:
    """The newest revision of each procedure, unless a revision or a state is asked for."""
    newest = {sop.id: sop.revision for sop in sorted(every, key=lambda sop: (sop.state in LIVE, sop.revision))}
    by_choice = request.revision is not None or request.state is not None
    return [
        sop
        for sop in found
        if request.revision in {None, sop.revision}
        and request.state in {None, sop.state}
        and (by_choice or sop.revision == newest[sop.id])
    ]


async def _running_stations(project: Project, call: ToolCall) -> set[str]:
    """Stations that make product for customers now; before the launch, people may work to drafts."""
    if project.status != "production":
        return set()
    running = Query(selection(project=project.id, status=MachineStatus.RUNNING))
    return {machine.workstation for machine in (await call.plant.find(Machine, running)).items}


def _item(sop: Sop, every: Sequence[Sop], running: set[str], today: date, *, whole: bool) -> SopItem:
    revisions = sorted((other for other in every if other.id == sop.id), key=lambda other: other.revision)
    return SopItem(
        id=sop.id,
        revision=sop.revision,
        project=sop.project,
        kind=sop.kind,
        title=sop.title,
        state=sop.state,
        workstation=sop.workstation,
        machine_ids=sop.machine_ids,
        effective_on=sop.effective_on,
        steps=len(sop.steps),
        flags=tuple(_flags(sop, every, running, today)),
        document=sop if whole else None,
        missing_sections=tuple(missing_sections(sop)) if whole else None,
        revisions=tuple(_revision(revision) for revision in revisions) if whole else None,
    )


def _revision(sop: Sop) -> SopRevision:
    return SopRevision(
        revision=sop.revision,
        state=sop.state,
        change_reason=sop.change_reason,
        created_at=sop.created_at,
        created_by=sop.created_by,
    )


def _flags(sop: Sop, every: Sequence[Sop], running: set[str], today: date) -> Iterator[Flag]:
    if sop.state is DocumentState.RELEASED:
        if review_is_overdue(sop, today):
            yield "review_overdue"
        if inspection_is_overdue(sop, today):
            yield "inspection_overdue"
        return
    in_force = released(every)
    if any(other.id == sop.id for other in in_force):
        yield "not_current"
    elif sop.state in OPEN and sop.workstation in running and sop.workstation not in {o.workstation for o in in_force}:
        yield "not_released_in_use"


def _warnings(items: Iterable[SopItem]) -> Iterator[str]:
    for item in items:
        shown = f"{item.id} revision {item.revision}"
        if "review_overdue" in item.flags:
            yield f"{shown} is in force since {item.effective_on}, more than 24 months: review it."
        if "inspection_overdue" in item.flags:
            yield f"{shown} has no periodic inspection of the last 12 months: do not lock out by it."
        if "not_current" in item.flags:
            yield f"{shown} is {item.state}; another revision is in force. Do not work by this one."
        if "not_released_in_use" in item.flags:
            yield f"{item.workstation} runs without a released procedure: {shown} is {item.state}."


TOOLS = (get_sops,)
