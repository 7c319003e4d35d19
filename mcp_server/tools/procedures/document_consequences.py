"""What must follow on the floor when a document comes into force or goes out of it. Told as warnings."""

from mcp_server.backends.base import Query
from mcp_server.domain.documents import released
from mcp_server.domain.records import Checklist, Document, DocumentState, PmTask, QualityPlan, Sop, TrainingRecord
from mcp_server.pipeline.declaration import ToolCall
from mcp_server.pipeline.preconditions import revisions_of
from mcp_server.tools.paging import selection

__all__ = ["consequences"]

_MOST_TOLD = 10


async def consequences(decided: Document, call: ToolCall) -> tuple[str, ...]:
    """One sentence each: checklists of another revision, people not trained on this one, work that refers to it."""
    if decided.state not in {DocumentState.RELEASED, DocumentState.WITHDRAWN}:
        return ()
    in_force = {r.revision for r in released(await revisions_of(call, type(decided), decided.id))}
    match decided:
        case QualityPlan():
            outdated = await _checklists(decided, in_force, call)
            return _told("Checklists still in force, made from a revision that is not", outdated)
        case Sop(state=DocumentState.RELEASED):
            return _told("Trained only on another revision, to be trained again", await _untrained(decided, call))
        case Sop() if not in_force:
            return _told("These still refer to it", await _referring(decided, call))
        case _:
            return ()


async def _checklists(plan: QualityPlan, in_force: set[int], call: ToolCall) -> list[str]:
    among = selection(plan_id=plan.id, state=DocumentState.RELEASED)
    found = (await call.plant.find(Checklist, Query(among))).items
    return [checklist.id for checklist in found if checklist.plan_revision not in in_force]


async def _untrained(sop: Sop, call: ToolCall) -> list[str]:
    records = (await call.plant.find(TrainingRecord, Query(selection(sop_id=sop.id)))).items
    trained = {record.person_id for record in records if record.sop_revision == sop.revision}
    return sorted({record.person_id for record in records} - trained)


async def _referring(sop: Sop, call: ToolCall) -> list[str]:
    tasks = (await call.plant.find(PmTask, Query(selection(sop_id=sop.id)))).items
    in_force = selection(loto_sop_id=sop.id, state=DocumentState.RELEASED)
    procedures = (await call.plant.find(Sop, Query(in_force))).items
    return [record.id for record in (*procedures, *tasks)]


def _told(what: str, ids: list[str]) -> tuple[str, ...]:
    more = f" and {len(ids) - _MOST_TOLD} more" if len(ids) > _MOST_TOLD else ""
    return (f"{what}: {', '.join(ids[:_MOST_TOLD])}{more}.",) if ids else ()
