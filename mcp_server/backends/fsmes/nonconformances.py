"""Nonconformances: the MES opens them by itself, from readings and counts that are out; here they are issues."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_server.backends.fsmes.calls import Calls, Entry, in_path, moment, understood
from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.domain.issues.reporting import due_times
from mcp_server.domain.records import (
    SHARED,
    Disposition,
    DispositionKind,
    Issue,
    IssueCategory,
    IssueState,
    Severity,
)
from mcp_server.errors import RuleViolated

__all__ = ["Nonconformances"]

_PATH = "/quality/nonconformances"
_LONGEST_TITLE = 120
_LONGEST_REASON = 400
_AS_THEY_ARE = {IssueState.OPEN: "open", IssueState.CLOSED: "closed", IssueState.CANCELLED: "cancelled"}
_UNDER_REVIEW = "under_review"
_SHOWN = {"open": "open", _UNDER_REVIEW: _UNDER_REVIEW, "dispositioned": _UNDER_REVIEW, "closed": "closed"}
_OURS = {"open": IssueState.OPEN, _UNDER_REVIEW: IssueState.TRIAGED, "closed": IssueState.CLOSED}
_DISPOSITIONS = {
    DispositionKind.USE_AS_IS: "use_as_is",
    DispositionKind.REWORK: "rework",
    DispositionKind.REPAIR: "rework",
    DispositionKind.SCRAP: "scrap",
    DispositionKind.RETURN_TO_SUPPLIER: "return",
}
"""The MES has no word for sorting: it decides what becomes of the sorted pieces."""


@dataclass(frozen=True, slots=True)
class Nonconformances:
    """Nobody but the MES opens one. All that we do between triage and close is one state there, `under_review`; the
    decision on the material is sent when it is closed, which the MES refuses before.
    """

    calls: Calls
    kind: type[Issue] = Issue
    creates: bool = False
    changes: frozenset[str] = frozenset({"state"})
    client_ids: bool = False

    @property
    def fields(self) -> Sequence[FieldMap]:
        return (FieldMap("description", "description"), FieldMap("state", "state", _their_state, _OURS.__getitem__))

    @property
    def assumed(self) -> Mapping[str, Any]:
        return {"project": SHARED, "category": IssueCategory.QUALITY, "qty_affected": 0}

    def takes(self, record: Issue) -> bool:  # noqa: ARG002 - the port's
        return False

    async def pages(self) -> AsyncIterator[Sequence[Row]]:
        async for entries in self.calls.pages(_PATH):
            yield understood(_PATH, _rows, entries)

    async def one(self, key: str, ref: str | None) -> Row | None:
        entry = await self.calls.found(f"{_PATH}/{in_path(ref or key)}")
        return None if entry is None else understood(_PATH, _rows, [entry])[0]

    async def create(self, record: Issue, idempotency_key: str) -> str:  # noqa: ARG002 - the port's
        raise RuleViolated(f"The MES opens nonconformances by itself; {record.id} cannot be sent to it.")

    async def change(self, before: Issue, after: Issue, row: Row, idempotency_key: str) -> None:  # noqa: ARG002 - the port's
        wanted = _their_state(after.state)
        match row.values["state"], wanted:
            case "open", "under_review":
                await self._post(row, "review", {}, idempotency_key)
                await self._await_shown(row, lambda shown: shown.values["state"] == wanted)
            case (("open" | "under_review"), "closed"):
                await self._close(after, row, idempotency_key)
            case there, _:
                raise RuleViolated(
                    f"The MES cannot take {row.ref} from {there} to {wanted}.",
                    field="state",
                    suggestion="Report a new issue that names it." if there == "closed" else "Decide and close it.",
                )

    async def _close(self, issue: Issue, row: Row, key: str) -> None:
        is_second = False
        if not row.assumed["dispositions"]:
            decided = [d for d in issue.dispositions if d.kind in _DISPOSITIONS]
            if not decided:
                raise RuleViolated(
                    f"The MES closes {row.ref} only when it is decided what happens to the material.",
                    field="dispositions",
                    suggestion=f"Decide first: {', '.join(kind.value for kind in _DISPOSITIONS)}.",
                )
            chosen = decided[-1]
            body = {"disposition": _DISPOSITIONS[chosen.kind], "reason": _reason(issue, chosen)}
            await self._post(row, "disposition", body, f"{key}-disposition")
            await self._await_shown(row, lambda shown: bool(shown.assumed["dispositions"]))
            is_second = True
        await self._post(row, "close", {}, key, is_second=is_second)
        await self._await_shown(row, lambda shown: shown.values["state"] == "closed")

    async def _await_shown(self, row: Row, is_right: Callable[[Row], bool]) -> None:
        async def is_shown() -> bool:
            shown = await self.one(row.key, row.ref)
            return shown is not None and is_right(shown)

        await self.calls.await_shown(is_shown, row.ref)

    async def _post(self, row: Row, step: str, body: Entry, key: str, *, is_second: bool = False) -> None:
        path = f"{_PATH}/{in_path(row.ref)}/{step}"
        await self.calls.post(path, body, key, refuses_doubles=True, is_second=is_second)


def _their_state(state: IssueState) -> str:
    return _AS_THEY_ARE.get(state, _UNDER_REVIEW)


def _reason(issue: Issue, chosen: Disposition) -> str:
    concession = f", concession {chosen.concession_id}" if chosen.concession_id else ""
    said = f"{chosen.qty} pieces: {chosen.kind}{concession}. {issue.closure_summary or ''}"
    return said.strip()[:_LONGEST_REASON]


def _rows(entries: Sequence[Entry]) -> list[Row]:
    return [_row(entry) for entry in entries]


def _row(entry: Entry) -> Row:
    code: str = entry["code"]
    opened = moment(entry["created_at"])
    severity = Severity(entry["severity"]) if entry["severity"] in set(Severity) else Severity.MAJOR
    return Row(
        key=code,
        ref=code,
        values={"description": entry["description"], "state": _SHOWN.get(entry["status"], entry["status"])},
        assumed={
            "title": entry["description"][:_LONGEST_TITLE],
            "severity": severity,
            "detected_at": opened,
            "detected_by": entry["raised_by"] or "MES",
            "opened_at": opened,
            **due_times(severity, opened),
            "dispositions": _dispositions(entry),
            "closed_at": moment(entry["closed_at"]) if entry["closed_at"] else None,
            "closed_by": entry["closed_by"],
        },
    )


def _dispositions(entry: Entry) -> tuple[Disposition, ...]:
    """What was decided there; the MES does not say on how many pieces."""
    if not entry["disposition"]:
        return ()
    kind = next((ours for ours, theirs in _DISPOSITIONS.items() if theirs == entry["disposition"]), None)
    if kind is None:
        return ()
    at = moment(entry["disposition_at"] or entry["created_at"])
    return (Disposition(qty=0, kind=kind, by=entry["disposition_by"] or "MES", at=at),)
