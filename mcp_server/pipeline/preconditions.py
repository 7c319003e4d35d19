"""Second stage: the request against the plant's data. Also the look-ups that tools share for it."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import islice
from typing import TypeVar

from mcp_server.backends.base import Query
from mcp_server.domain.documents import newest_live
from mcp_server.domain.records import SHARED, ChangedRecord, Document, Project, Record
from mcp_server.errors import Ambiguous, Conflict, NotFound
from mcp_server.pipeline.declaration import CallT, Req, Res, Tool, ToolCall

__all__ = [
    "NO_PROJECT",
    "at_revision",
    "check",
    "closest",
    "did_you_mean",
    "document_of",
    "ids",
    "in_use",
    "project_of",
    "record_of",
    "records_of",
    "revision_to_change",
    "revisions_of",
]

R = TypeVar("R", bound=Record)
D = TypeVar("D", bound=Document)
NO_PROJECT = (
    "The plant knows no project yet. Whoever runs the server loads one: `shopfloor-mcp seed` for the sample plant, or "
    "`shopfloor-mcp seed --plant FOLDER` for their own."
)
_CLOSE = 0.6
_MOST_ALTERNATIVES = 10
_MOST_CLOSE = 5
_MOST_COMPARED = 2_000
_RETIRED = frozenset({"obsolete", "decommissioned"})


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
            alternatives=ids(fitting),
        )
    if not fitting:
        raise NotFound(
            f"There is no project {wanted!r}.",
            field="project",
            suggestion=f"Projects are {did_you_mean(every)}" if every else NO_PROJECT,
            alternatives=ids(every),
        )
    call.seen[key] = fitting[0]
    return fitting[0]


async def record_of(call: ToolCall, kind: type[R], wanted: str, *, field: str, project: Project) -> R:
    """The record with this id, if the project may use it: its own records and the shared ones.

    Raises:
        NotFound: alternatives are close matches of the project that are in use.
        Ambiguous: `wanted` is a name that several records of the plant have; the project's own come first.
    """
    if isinstance(known := call.seen.get((kind, wanted)), kind):
        return known
    found = await _newest(call, kind, wanted)
    if found is not None and _belongs(found, project):
        call.seen[kind, wanted] = found
        return found
    raise await _unknown(call, kind, wanted, field=field, project=project, elsewhere=found)


async def records_of(call: ToolCall, kind: type[R], wanted: Iterable[str], *, field: str, project: Project) -> list[R]:
    """Several records by id; see `record_of`. The failure names the first id that is wrong."""
    return [
        await record_of(call, kind, record_id, field=f"{field}[{position}]", project=project)
        for position, record_id in enumerate(wanted)
    ]


async def document_of(
    call: ToolCall, kind: type[D], wanted: str, *, field: str, project: Project, revision: int | None = None
) -> D:
    """The newest revision of a document, or the one asked for; see `record_of`.

    Raises:
        NotFound: there is no such document, or no such revision of it; alternatives are those there are.
    """
    newest = await record_of(call, kind, wanted, field=field, project=project)
    if revision is None or revision == newest.revision:
        return newest
    known = await revisions_of(call, kind, newest.id)
    for document in known:
        if document.revision == revision:
            return document
    raise NotFound(
        f"{newest.id} has no revision {revision}.",
        field="revision",
        suggestion=f"The newest is {newest.revision} ({newest.state}).",
        alternatives=[str(document.revision) for document in known],
    )


async def revisions_of(call: ToolCall, kind: type[D], document_id: str) -> tuple[D, ...]:
    """All revisions of a document, the oldest first."""
    return (await call.plant.find(kind, Query({"id": (document_id,)}))).items


async def revision_to_change(call: ToolCall, kind: type[D], wanted: str, *, field: str, project: Project) -> D:
    """The revision that the next one is made from: what is worked on, else what is in force, else the last there was.

    It is told as it was when the call began, also after the call has superseded it; see `record_of` for the failures.
    """
    newest = await document_of(call, kind, wanted, field=field, project=project)
    place = (kind, f"{newest.id} to change")
    if isinstance(known := call.seen.get(place), kind):
        return known
    found = newest_live(await revisions_of(call, kind, newest.id)) or newest
    call.seen[place] = found
    return found


def at_revision(record: ChangedRecord | Document, expected: int) -> None:
    """The caller has read the record as it is now.

    Raises:
        Conflict: somebody changed it since.
    """
    if record.revision != expected:
        raise Conflict(
            f"{record.id} is at revision {record.revision}, not at {expected}: it was changed since you read it.",
            field="expected_revision",
            suggestion="Read it again, then decide whether your change still holds.",
            alternatives=[str(record.revision)],
        )


def closest(wanted: str, records: Iterable[R]) -> list[R]:
    """The records most like `wanted`, by id or by name; the likest first."""
    matcher = SequenceMatcher()
    matcher.set_seq2(wanted.casefold())
    scored = [(max(_likeness(matcher, text) for text in (r.id, r.known_as)), r) for r in records]
    near = sorted((entry for entry in scored if entry[0] >= _CLOSE), key=lambda entry: (-entry[0], entry[1].id))
    return [record for _, record in near[:_MOST_CLOSE]]


def in_use(record: Record) -> bool:
    """Whether new work may refer to it: it is not obsolete or decommissioned."""
    return str(getattr(record, "status", "")) not in _RETIRED


def did_you_mean(records: Sequence[Record]) -> str:
    """The candidates with what a person knows them by, as the end of a sentence."""
    more = len(records) - _MOST_ALTERNATIVES
    shown = ", ".join(_shown(record) for record in records[:_MOST_ALTERNATIVES])
    return f"{shown} and {more} more." if more > 0 else f"{shown}."


def ids(records: Iterable[Record]) -> list[str]:
    """What goes into the alternatives of a failure."""
    return [record.id for record in islice(records, _MOST_ALTERNATIVES)]


async def _newest(call: ToolCall, kind: type[R], wanted: str) -> R | None:
    if not issubclass(kind, Document):
        return await call.plant.get(kind, wanted)
    found = (await call.plant.find(kind, Query({"id": (wanted,)}, limit=1, descending=True))).items
    return found[0] if found else None


async def _unknown(
    call: ToolCall, kind: type[R], wanted: str, *, field: str, project: Project, elsewhere: R | None
) -> NotFound | Ambiguous:
    noun = kind.noun
    named = (await call.plant.find(kind, Query(text=wanted))).items
    namesakes = [record for record in named if record.known_as.casefold() == wanted.casefold()]
    candidates = sorted((n for n in namesakes if in_use(n)), key=lambda n: not _belongs(n, project))
    if len(candidates) > 1:
        return Ambiguous(
            f"{wanted!r} is the name of {len(candidates)} {noun}s.",
            field=field,
            suggestion=f"Give the id of the one that is meant: {did_you_mean(candidates)}",
            alternatives=ids(candidates),
        )
    among = {"project": (project.id, SHARED)} if "project" in kind.model_fields else {}
    usable = [r for r in (await call.plant.find(kind, Query(among, limit=_MOST_COMPARED))).items if in_use(r)]
    near = [record for record in candidates if _belongs(record, project)] or closest(wanted, usable)
    if elsewhere is not None:
        message = f"{wanted} belongs to project {getattr(elsewhere, 'project', '?')}, not to {project.id}."
    elif namesakes:
        message = f"{wanted!r} is the name of {_shown(namesakes[0])}; {field} takes an id that {project.id} can use."
    else:
        message = f"There is no {noun} {wanted!r} in project {project.id}."
    opening = "Did you mean" if near else f"{project.id} has"
    suggestion = f"{opening} {did_you_mean(near or usable)}" if near or usable else f"{project.id} has no {noun} yet."
    return NotFound(message, field=field, suggestion=suggestion, alternatives=ids(near or usable))


def _belongs(record: Record, project: Project) -> bool:
    return getattr(record, "project", SHARED) in {project.id, SHARED}


def _shown(record: Record) -> str:
    details = [record.known_as, getattr(record, "project", ""), getattr(record, "status", "")]
    return f"{record.id} ({', '.join(str(detail) for detail in details if detail)})"


def _likeness(matcher: SequenceMatcher[str], text: str) -> float:
    matcher.set_seq1(text.casefold())
    return matcher.ratio() if matcher.real_quick_ratio() >= _CLOSE and matcher.quick_ratio() >= _CLOSE else 0.0
