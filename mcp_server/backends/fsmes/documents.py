"""Quality plans and procedures as controlled documents of the MES."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import anyio

from mcp_server.backends.fsmes.calls import Calls, Entry, in_path, moment, understood
from mcp_server.backends.fsmes.document_text import HELD_FIELDS, Content, body_of, content_of, contents_in, held
from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.domain.records import SHARED, Document, DocumentState, QualityPlan, Sop, document_key
from mcp_server.errors import BackendUnavailable, Conflict, NotFound, RuleViolated

__all__ = ["Documents"]

D = TypeVar("D", QualityPlan, Sop)

_LONGEST_TITLE = 180
_CODE = re.compile(r"[\w .-]{1,60}")
_WITHDRAWN_MARK = "[withdrawn] "
_AT_ONCE = 20
_EDITED = "its text was edited in the MES"
_STATES = {
    DocumentState.RELEASED: "approved",
    DocumentState.SUPERSEDED: "superseded",
    DocumentState.WITHDRAWN: "withdrawn",
}
"""Approved in the MES means in force, which is released here; all that comes before is a draft to it."""
_OURS = {"draft": DocumentState.DRAFT} | {theirs: ours for ours, theirs in _STATES.items()}


@dataclass(frozen=True, slots=True)
class _Shown:
    """One of our revisions as the MES shows it. `number` is the MES's own, of the revision that it stands in."""

    kind: str
    row: Row
    number: int
    is_last: bool
    untouched: bool


@dataclass(frozen=True, slots=True)
class Documents(Generic[D]):
    """Revisions of one kind. The code is our id, and each revision carries its content in its body.

    The MES has one draft of a document at a time and overwrites it: the drafts it replaced go on standing in its body.
    A draft cannot be withdrawn there, so its title says it. Where nothing but withdrawn revisions is left, the MES
    cannot list its documents any more (500), so one draft, marked withdrawn, always stays.
    """

    calls: Calls
    kind: type[D]
    creates: bool = True
    changes: frozenset[str] = frozenset({"state"})
    client_ids: bool = True

    @property
    def fields(self) -> Sequence[FieldMap]:
        held_as = {"title": _short}
        return (
            *(FieldMap(name, name, encode=held_as.get(name, held)) for name in HELD_FIELDS[self.kind]),
            FieldMap("state", "state", encode=_their_state, decode=_OURS.__getitem__),
        )

    @property
    def assumed(self) -> Mapping[str, Any]:
        return {}

    def takes(self, record: D) -> bool:
        return _their_state(record.state) in {"draft", "approved"} and _CODE.fullmatch(record.id) is not None

    async def pages(self) -> AsyncIterator[Sequence[Row]]:
        try:
            entries = await self.calls.array("/documents")
        except BackendUnavailable as error:
            error.suggestion = (
                f"{error.suggestion} The MES cannot list its documents while one has only withdrawn revisions: "
                "then open a draft of that one there."
            ).strip()
            raise
        codes = understood("/documents", _codes, entries)
        for start in range(0, len(codes), _AT_ONCE):
            yield await self._rows(codes[start : start + _AT_ONCE])

    async def one(self, key: str, ref: str | None) -> Row | None:  # noqa: ARG002 - the port's
        shown = await self._shown(key.rpartition("@")[0])
        return next((s.row for s in shown if s.kind == self.kind.__name__ and s.row.key == key), None)

    async def create(self, record: D, idempotency_key: str) -> str:
        shown = await self._shown(record.id)
        there = next((s.row.values["state"] for s in shown if s.row.key == record.key), None)
        if there is None:
            await self._draft(record, shown, idempotency_key)
        elif there != "draft" or _their_state(record.state) == "draft":
            raise Conflict(f"The MES has {record.id} revision {record.revision} already.", suggestion="Read it again.")
        if _their_state(record.state) == "approved":
            await self._approve(record, f"{idempotency_key}-approve", is_second=True)
        await self._await_state(record)
        return record.key

    async def _draft(self, record: D, shown: Sequence[_Shown], idempotency_key: str) -> None:
        draft = {"title": _short(record.title), "body": body_of(record, _replaced(shown)), "anchors": _anchors(record)}
        if shown:
            await self.calls.post(_path(record.id, "revise"), draft, idempotency_key, refuses_doubles=True)
        else:
            new = {"code": record.id, "kind": "instruction", **draft}
            await self.calls.post("/documents", new, idempotency_key, refuses_doubles=True)

        async def is_shown() -> bool:
            return await self.one(record.key, None) is not None

        await self.calls.await_shown(is_shown, record.key)

    async def change(self, before: D, after: D, row: Row, idempotency_key: str) -> None:  # noqa: ARG002 - the port's
        match row.values["state"], _their_state(after.state):
            case there, wanted if there == wanted:
                return
            case there, _ if there == _EDITED:
                raise _edited(after)
            case (("draft" | "approved"), "superseded"):
                return  # the MES does it by itself as soon as the next revision comes
            case "draft", "approved":
                await self._approve(after, idempotency_key)
            case "draft", "withdrawn":
                await self._mark_withdrawn(after, idempotency_key)
            case "approved", "withdrawn":
                await self._withdraw(after, idempotency_key)
            case there, wanted:
                raise RuleViolated(
                    f"The MES cannot take {after.id} revision {after.revision} from {there} to {wanted}.",
                    field="state",
                    suggestion="Make its next revision.",
                )

    async def _approve(self, document: D, key: str, *, is_second: bool = False) -> None:
        shown = await self._named(document)
        if not shown.is_last or not shown.untouched:
            raise _edited(document)
        path = _path(document.id, f"approve/{shown.number}")
        await self.calls.post(path, {}, key, refuses_doubles=True, is_second=is_second)
        await self._await_state(document)

    async def _mark_withdrawn(self, document: D, key: str) -> None:
        await self._named(document)
        title = f"{_WITHDRAWN_MARK}{_short(document.title)}"
        await self.calls.post(_path(document.id, "revise"), {"title": title}, key, refuses_doubles=True)

        async def is_shown() -> bool:
            return any(entry["title"] == title for entry in await self._revisions(document.id))

        await self.calls.await_shown(is_shown, document.key)

    async def _withdraw(self, document: D, key: str) -> None:
        revisions = await self._revisions(document.id)
        is_second = not any(entry["status"] == "draft" for entry in revisions)
        if is_second:
            await self._mark_withdrawn(document, f"{key}-mark")
        await self.calls.post(_path(document.id, "withdraw"), {}, key, refuses_doubles=True, is_second=is_second)
        await self._await_state(document)

    async def _await_state(self, document: D) -> None:
        async def is_shown() -> bool:
            row = await self.one(document.key, None)
            return row is not None and row.values["state"] == _their_state(document.state)

        await self.calls.await_shown(is_shown, document.key)

    async def _named(self, document: D) -> _Shown:
        for shown in await self._shown(document.id):
            if shown.kind == self.kind.__name__ and shown.row.key == document.key:
                return shown
        raise NotFound(f"The MES no longer has {document.id} revision {document.revision}.")

    async def _rows(self, codes: Sequence[str]) -> list[Row]:
        found: dict[str, list[_Shown]] = {}

        async def note(code: str) -> None:
            found[code] = await self._shown(code)

        async with anyio.create_task_group() as group:
            for code in codes:
                group.start_soon(note, code)
        return [s.row for code in codes for s in found[code] if s.kind == self.kind.__name__]

    async def _shown(self, code: str) -> list[_Shown]:
        return understood("/documents", lambda entries: _all_shown(code, entries), await self._revisions(code))

    async def _revisions(self, code: str) -> list[Entry]:
        if _CODE.fullmatch(code) is None:
            return []  # the MES takes such a code and then finds nothing under its path
        return await self.calls.array(_path(code, "revisions"))


def _codes(entries: Sequence[Entry]) -> list[str]:
    """Instructions only: a walkthrough leads through the MES's own screens."""
    return [entry["code"] for entry in entries if entry["kind"] == "instruction"]


def _edited(document: Document) -> Conflict:
    return Conflict(
        f"{document.id} revision {document.revision} was edited in the MES since it was sent.",
        suggestion="Nobody has approved that text: make the next revision of it here.",
    )


def _path(code: str, step: str) -> str:
    return f"/documents/{in_path(code)}/{step}"


def _their_state(state: DocumentState) -> str:
    return _STATES.get(state, "draft")


def _short(title: str) -> str:
    return title[:_LONGEST_TITLE]


def _anchors(document: QualityPlan | Sop) -> dict[str, str]:
    """Where the MES offers the document: at this material, operation or machine."""
    if isinstance(document, QualityPlan):
        return {"material": document.material_id}
    machine = document.machine_ids[0] if len(document.machine_ids) == 1 else None
    anchors = {"material": document.material_id, "operation": document.workstation, "equipment": machine}
    return {name: value for name, value in anchors.items() if value}


def _replaced(shown: Sequence[_Shown]) -> list[Content]:
    """The revisions that stand in the open draft: they are overwritten with it, unless its next body holds them too."""
    last = shown[-1] if shown else None
    if last is None or last.row.values["state"] not in {"draft", "withdrawn"}:
        return []
    return [_to_keep(s) for s in shown if s.number == last.number]


def _to_keep(shown: _Shown) -> Content:
    values = dict(shown.row.values)
    ended = "withdrawn" if values.pop("state") == "withdrawn" else "superseded"
    return Content(shown.kind, *_split(shown.row.key), values, ended)


def _split(key: str) -> tuple[str, int]:
    code, _, revision = key.rpartition("@")
    return code, int(revision)


def _all_shown(code: str, revisions: Sequence[Entry]) -> list[_Shown]:
    """Our revisions out of the MES's, the oldest first."""
    found: dict[str, _Shown] = {}
    newest = 0
    for entry in sorted(revisions, key=lambda entry: entry["revision"]):
        is_marked = entry["status"] == "draft" and entry["title"].startswith(_WITHDRAWN_MARK)
        contents, untouched = contents_in(entry["body"])
        if not contents:
            contents, untouched = [_foreign(code, newest + 1, entry)], True
        for position, content in enumerate(contents, 1):
            shown = _one_shown(entry, content, is_last=position == len(contents), untouched=untouched)
            if not (is_marked and shown.row.key in found):
                found[shown.row.key] = shown
            newest = max(newest, content.revision)
    return list(found.values())


def _one_shown(entry: Entry, content: Content, *, is_last: bool, untouched: bool) -> _Shown:
    title: str = entry["title"]
    is_marked = title.startswith(_WITHDRAWN_MARK)
    if not is_last:
        values = {**content.fields, "title": _short(content.fields["title"]), "state": content.ended or "superseded"}
    elif not untouched:
        values = {"state": _EDITED}
    else:
        state = "withdrawn" if is_marked and entry["status"] == "draft" else entry["status"]
        values = {**content.fields, "title": title.removeprefix(_WITHDRAWN_MARK), "state": state}
    key = document_key(content.id, content.revision)
    return _Shown(content.kind, Row(key, key, values), entry["revision"], is_last, untouched)


def _foreign(code: str, revision: int, entry: Entry) -> Content:
    """An instruction that was written in the MES: its text stands as the purpose of a procedure."""
    anchors: Mapping[str, str] = entry["anchors"]
    sop = Sop(
        id=code,
        revision=revision,
        project=SHARED,
        title=entry["title"],
        state=DocumentState.DRAFT,
        created_at=moment(entry["created_at"]),
        created_by=entry["created_by"],
        purpose=entry["body"],
        material_id=anchors.get("material"),
        workstation=anchors.get("operation"),
        machine_ids=tuple(filter(None, [anchors.get("equipment")])),
    )
    return content_of(sop)
