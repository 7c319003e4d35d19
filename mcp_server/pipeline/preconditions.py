"""Second stage: the request against the plant's data. Also the look-ups that tools share for it."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import TypeVar

from mcp_server.backends.base import Query
from mcp_server.domain.records import SHARED, Project, Record
from mcp_server.errors import Ambiguous, NotFound
from mcp_server.pipeline.declaration import CallT, Req, Res, Tool, ToolCall

__all__ = ["check", "closest", "did_you_mean", "project_of", "record_of", "records_of"]

R = TypeVar("R", bound=Record)
_CLOSE = 0.5
_MOST_ALTERNATIVES = 5


async def check(tool: Tool[Req, Res, CallT], request: Req, call: CallT) -> None:
    """Run every precondition of a tool, in the order declared."""
    for precondition in tool.preconditions:
        await precondition(request, call)


async def project_of(call: ToolCall, wanted: str) -> Project:
    """The project with this code or name, compared without case.

    Raises:
        NotFound: alternatives are the codes of all projects.
        Ambiguous: several projects have the name.
    """
    key = (Project, wanted)
    if isinstance(known := call.seen.get(key), Project):
        return known
    every = (await call.plant.find(Project, Query())).items
    fitting = [p for p in every if wanted.casefold() in {p.id.casefold(), p.name.casefold()}]
    if len(fitting) > 1:
        raise Ambiguous(
            f"Several projects are called {wanted!r}.",
            field="project",
            suggestion="Use a project code.",
            alternatives=[project.id for project in fitting],
        )
    if not fitting:
        raise NotFound(
            f"There is no project {wanted!r}.",
            field="project",
            suggestion=f"Projects are {did_you_mean(every)}",
            alternatives=[project.id for project in every],
        )
    call.seen[key] = fitting[0]
    return fitting[0]


async def record_of(call: ToolCall, kind: type[R], wanted: str, *, field: str, project: Project) -> R:
    """The record with this id, if the project may use it: its own records and the shared ones.

    Raises:
        NotFound: alternatives are close matches of the project.
        Ambiguous: `wanted` is a name that several records of the plant have.
    """
    if isinstance(known := call.seen.get((kind, wanted)), kind):
        return known
    found = await call.plant.get(kind, wanted)
    if found is not None and getattr(found, "project", SHARED) in {project.id, SHARED}:
        call.seen[kind, wanted] = found
        return found
    raise await _unknown(call, kind, wanted, field=field, project=project, elsewhere=found)


async def records_of(call: ToolCall, kind: type[R], wanted: Iterable[str], *, field: str, project: Project) -> list[R]:
    """Several records by id; see `record_of`. The failure names the first id that is wrong."""
    return [
        await record_of(call, kind, record_id, field=f"{field}[{position}]", project=project)
        for position, record_id in enumerate(wanted)
    ]


def closest(wanted: str, records: Iterable[R]) -> list[R]:
    """The records most like `wanted`, by id or by name; the likest first."""
    scored = [(max(_likeness(wanted, text) for text in (r.id, _name(r))), r) for r in records]
    near = sorted((entry for entry in scored if entry[0] >= _CLOSE), key=lambda entry: (-entry[0], entry[1].id))
    return [record for _, record in near[:_MOST_ALTERNATIVES]]


def did_you_mean(records: Iterable[Record]) -> str:
    """The candidates with what a person knows them by, as the end of a sentence."""
    return ", ".join(_shown(record) for record in records) + "."


async def _unknown(
    call: ToolCall, kind: type[R], wanted: str, *, field: str, project: Project, elsewhere: R | None
) -> NotFound | Ambiguous:
    noun = kind.__name__.lower()
    every = (await call.plant.find(kind, Query())).items
    namesakes = [record for record in every if _name(record).casefold() == wanted.casefold()]
    if len(namesakes) > 1:
        return Ambiguous(
            f"{wanted!r} is the name of {len(namesakes)} {noun}s.",
            field=field,
            suggestion=f"Give the id of the one that is meant: {did_you_mean(namesakes)}",
            alternatives=[record.id for record in namesakes],
        )
    usable = [record for record in every if getattr(record, "project", SHARED) in {project.id, SHARED}]
    near = namesakes or closest(wanted, usable)
    if elsewhere is not None:
        message = f"{wanted} belongs to project {getattr(elsewhere, 'project', '?')}, not to {project.id}."
    elif namesakes:
        message = f"{wanted!r} is a name; {field} takes the id."
    else:
        message = f"There is no {noun} {wanted!r} in project {project.id}."
    return NotFound(
        message,
        field=field,
        suggestion=f"Did you mean {did_you_mean(near)}" if near else f"Look the {noun} up, or leave it out.",
        alternatives=[record.id for record in near],
    )


def _shown(record: Record) -> str:
    details = [_name(record), getattr(record, "project", ""), getattr(record, "status", "")]
    return f"{record.id} ({', '.join(str(detail) for detail in details if detail)})"


def _name(record: Record) -> str:
    return str(getattr(record, "name", "") or getattr(record, "characteristic", "") or getattr(record, "title", ""))


def _likeness(wanted: str, text: str) -> float:
    return SequenceMatcher(None, wanted.casefold(), text.casefold()).ratio() if text else 0.0
