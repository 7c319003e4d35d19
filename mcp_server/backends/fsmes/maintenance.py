"""Recurring tasks and work orders."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mcp_server.backends.fsmes.calls import Calls, Entry, in_path, moment, understood
from mcp_server.backends.fsmes.listed import Listed
from mcp_server.backends.fsmes.plant import LONGEST_CODE
from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.domain.records import SHARED, MaintenanceKind, PmTask, Strategy, WorkOrder, WorkOrderState
from mcp_server.errors import AnswerLost, Conflict, RuleViolated

__all__ = ["WorkOrders", "plans_left_out", "tasks"]

_PLANS, _ORDERS = "/maintenance/plans", "/maintenance/orders"
_DAYS, _HOURS = "calendar_days", "runtime_hours"
_LONGEST_TITLE = 140
_LONGEST_REASON = 200
_LONGEST_DOCUMENT = 60
_PRIORITIES = range(1, 4)
_STAMP = re.compile(r"\[(WO-[^\s\]]{1,37})\] (.*)", re.DOTALL)
_STATES = {"due": "planned", "assigned": "planned", "in_progress": "planned", "done": "done", "skipped": "cancelled"}
_ROUTINE = 3
"""What the MES takes an order for that has no priority."""
_ASSUMED_MIN = 60
"""What the MES assumes a job takes that no plan is behind."""


def tasks(calls: Calls) -> Listed[PmTask]:
    """The MES counts days, hours run and pieces made. Its days are ours, and its hours can be shown; months cannot be
    put into days, and in which unit our meters count is known only to us, so only tasks in days are sent.
    """
    return Listed(
        calls,
        PmTask,
        fields=(
            FieldMap("title", "name", encode=_short_title),
            FieldMap("machine_id", "equipment"),
            FieldMap("calendar_interval", "days"),
            FieldMap("calendar_unit", "day_unit"),
            FieldMap("meter_interval", "hours"),
            FieldMap("est_min", "expected_minutes", decode=round),
            FieldMap("sop_id", "document"),
        ),
        assumed={
            "project": SHARED,
            "plan_id": "MES",
            "strategy": Strategy.FLOATING,
            "tolerance_pct": 0.0,
            "skill": "",
            "loto": False,
        },
        path=_PLANS,
        row=_task_row,
        body=_task_body,
        ref=lambda task: task.id,
        accepts=_is_in_days,
    )


def _is_shown(entry: Entry) -> bool:
    return entry["trigger"] == _HOURS or (entry["trigger"] == _DAYS and float(entry["interval"]).is_integer())


async def plans_left_out(calls: Calls) -> list[str]:
    """Plans there whose interval we have no word for: in pieces, or in parts of a day."""
    return understood(_PLANS, lambda plans: [p["plan"] for p in plans if not _is_shown(p)], await calls.array(_PLANS))


def _task_row(entry: Entry) -> Row | None:
    if not _is_shown(entry):
        return None
    in_days = entry["trigger"] == _DAYS
    done = moment(entry["last_done_at"]).date() if entry["last_done_at"] else None
    return Row(
        key=entry["plan"],
        ref=entry["plan"],
        values={
            **{name: entry[name] for name in ("name", "equipment", "expected_minutes", "document")},
            "days": int(entry["interval"]) if in_days else None,
            "day_unit": "d" if in_days else None,
            "hours": None if in_days else entry["interval"],
        },
        assumed={"anchor_on": done or datetime.now(UTC).date(), "last_completed_on": done},
    )


def _task_body(task: PmTask) -> Entry:
    return {
        "code": task.id,
        "name": _short_title(task.title),
        "equipment": task.machine_id,
        "trigger": _DAYS,
        "interval": task.calendar_interval,
        "expected_minutes": task.est_min,
        "document_code": task.sop_id,
        "needs_stop": task.loto,
    }


def _is_in_days(task: PmTask) -> bool:
    in_days = task.calendar_interval is not None and task.calendar_unit == "d" and task.meter_interval is None
    return in_days and len(task.id) <= LONGEST_CODE and len(task.sop_id or "") <= _LONGEST_DOCUMENT


def _short_title(title: str) -> str:
    return title[:_LONGEST_TITLE]


def _short_reason(reason: str | None) -> str | None:
    return reason and reason[:_LONGEST_REASON]


def _their_kind(kind: MaintenanceKind) -> str:
    return "corrective" if kind in _RAISED else "preventive"


_RAISED = frozenset({MaintenanceKind.CORRECTIVE, MaintenanceKind.BREAKDOWN})
"""Orders that a person raises; the preventive ones the MES raises by itself, from its plans."""


@dataclass(frozen=True, slots=True)
class WorkOrders:
    """The MES numbers its orders, so our id is stamped into the summary: `[WO-0007] Replace seal`.

    It takes an order, and that the order is done. Who does it and when is planned with people it does not know, so
    that stays with us.
    """

    calls: Calls
    kind: type[WorkOrder] = WorkOrder
    creates: bool = True
    changes: frozenset[str] = frozenset({"state"})
    client_ids: bool = False

    @property
    def fields(self) -> Sequence[FieldMap]:
        return (
            FieldMap("machine_id", "equipment"),
            FieldMap("kind", "kind", encode=_their_kind),
            FieldMap("title", "title", encode=_short_title),
            FieldMap("state", "state"),
            FieldMap("priority", "priority"),
            FieldMap("reason", "reason", encode=_short_reason),
        )

    @property
    def assumed(self) -> Mapping[str, Any]:
        return {"project": SHARED, "duration_min": _ASSUMED_MIN}

    def takes(self, record: WorkOrder) -> bool:
        return (
            record.kind in _RAISED
            and record.state is WorkOrderState.PLANNED
            and record.priority in _PRIORITIES
            and _STAMP.fullmatch(_summary(record)) is not None
        )

    async def pages(self) -> AsyncIterator[Sequence[Row]]:
        async for entries in self.calls.pages(_ORDERS):
            yield understood(_ORDERS, _order_rows, entries)

    async def one(self, key: str, ref: str | None) -> Row | None:
        found: dict[str, Row] = {}
        async for entries in self.calls.pages(_ORDERS, q=ref or key):
            rows = understood(_ORDERS, _order_rows, entries)
            found |= {row.ref: row for row in rows if (row.ref == ref if ref else row.key == key)}
        if len(found) > 1:
            raise Conflict(
                f"The MES holds work order {key} more than once: {', '.join(sorted(found))}.",
                suggestion="Complete the surplus ones there, with a finding that says so.",
            )
        return next(iter(found.values()), None)

    async def create(self, record: WorkOrder, idempotency_key: str) -> str:
        body = {
            "equipment": record.machine_id,
            "summary": _summary(record),
            "reason": _short_reason(record.reason),
            "priority": record.priority,
            "needs_stop": record.loto,
        }
        answer = await self.calls.post("/maintenance/corrective", body, idempotency_key)
        if not isinstance(code := answer.get("code"), str):
            raise AnswerLost("The MES took a work order and did not say how it calls it.")
        await self._await_state(record, code)
        return code

    async def change(self, before: WorkOrder, after: WorkOrder, row: Row, idempotency_key: str) -> None:
        if after.state is not WorkOrderState.DONE:
            raise RuleViolated(
                f"The MES cannot take a work order from {before.state} to {after.state}.",
                field="state",
                suggestion=f"Complete {after.id} with a finding that says why it was not needed.",
            )
        path = f"{_ORDERS}/{in_path(row.ref)}/complete"
        await self.calls.post(path, {}, idempotency_key, refuses_doubles=True)
        await self._await_state(after, row.ref)

    async def _await_state(self, order: WorkOrder, code: str) -> None:
        async def is_shown() -> bool:
            row = await self.one(order.id, code)
            return row is not None and row.key in {order.id, code} and row.values["state"] == order.state

        await self.calls.await_shown(is_shown, order.id)


def _summary(order: WorkOrder) -> str:
    return f"[{order.id}] {_short_title(order.title)}"


def _order_rows(entries: Sequence[Entry]) -> list[Row]:
    return [_order_row(entry) for entry in entries]


def _order_row(entry: Entry) -> Row:
    code: str = entry["code"]
    stamped = _STAMP.fullmatch(entry["summary"])
    key, title = stamped.groups() if stamped else (code, entry["summary"])
    return Row(
        key=key,
        ref=code,
        values={
            **{name: entry[name] for name in ("equipment", "kind", "reason")},
            "title": title,
            "state": _STATES.get(entry["status"], entry["status"]),
            "priority": entry["priority"] or _ROUTINE,
        },
        assumed={
            "start": moment(entry["scheduled_for"] or entry["raised_at"]),
            "created_at": moment(entry["raised_at"]),
            "created_by": "MES",
            "completed_at": moment(entry["completed_at"]) if entry["completed_at"] else None,
            "technician_id": entry["assigned_to"],
            "skill": entry["skill"],
        },
    )
