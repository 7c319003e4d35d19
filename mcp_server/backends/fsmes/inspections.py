"""Inspections: those that count pieces. The MES keeps measured values too, but under no name that could be stamped."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_server.backends.fsmes.calls import Calls, Entry, in_path, moment, understood
from mcp_server.backends.fsmes.specs import spec_ref
from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.domain.records import SHARED, InspectionResult, Verdict
from mcp_server.errors import AnswerLost, Conflict, RuleViolated

__all__ = ["Counts"]

_LONGEST_LOT = 60
_STAMP = re.compile(r"\[([A-Z]{1,8}-[^\s\]]{1,31})\] (.*)")
_ALL = 1_000_000
"""How many points back a chart goes; as delivered it shows only the latest."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The MES numbers its counts and takes doubles, so our id is stamped into what it calls the lot:
    `[INS-0001] LOT-HSG-001`. A list of counts it has only as the points of a chart, one chart a characteristic, and a
    chart with a slash in its path it does not find.
    """

    calls: Calls
    kind: type[InspectionResult] = InspectionResult
    creates: bool = True
    changes: frozenset[str] = frozenset()
    client_ids: bool = False

    @property
    def fields(self) -> Sequence[FieldMap]:
        return (
            FieldMap("material_id", "material"),
            FieldMap("characteristic", "characteristic"),
            FieldMap("lot_id", "lot"),
            FieldMap("sample_size", "inspected"),
            FieldMap("nonconforming", "rejected"),
        )

    @property
    def assumed(self) -> Mapping[str, Any]:
        return {"project": SHARED, "unit": "", "accept": 0, "reject": 1, "inspector": "MES", "recorded_by": "MES"}

    def takes(self, record: InspectionResult) -> bool:
        return (
            record.spec_id is not None
            and "/" not in f"{record.material_id}{record.characteristic}"
            and record.lsl is None
            and record.usl is None
            and len(_lot_ref(record)) <= _LONGEST_LOT
            and _STAMP.fullmatch(_lot_ref(record)) is not None
        )

    async def pages(self) -> AsyncIterator[Sequence[Row]]:
        async for specs in self.calls.pages("/quality/specs"):
            for material, characteristic in understood("/quality/specs", _counted, specs):
                yield await self._of(material, characteristic)

    async def one(self, key: str, ref: str | None) -> Row | None:
        found = [row async for page in self.pages() for row in page if (row.ref == ref if ref else row.key == key)]
        if len(found) > 1:
            raise Conflict(
                f"The MES holds inspection {key} more than once: {', '.join(row.ref for row in found)}.",
                suggestion="It has no way to delete one; note it beside the chart.",
            )
        return next(iter(found), None)

    async def create(self, record: InspectionResult, idempotency_key: str) -> str:
        answer = await self.calls.post(
            "/quality/counts",
            {
                "material": record.material_id,
                "characteristic": record.characteristic,
                "inspected": record.sample_size,
                "rejected": record.nonconforming,
                "lot_ref": _lot_ref(record),
            },
            idempotency_key,
        )
        if not isinstance(number := answer.get("count"), int):
            raise AnswerLost("The MES took a count and did not say how it calls it.")
        ref = _ref(record.material_id, record.characteristic, number)

        async def is_shown() -> bool:
            shown = await self._of(record.material_id, record.characteristic)
            return any(row.ref == ref and row.key == record.key for row in shown)

        await self.calls.await_shown(is_shown, record.key)
        return ref

    async def change(
        self,
        before: InspectionResult,  # noqa: ARG002 - the port's
        after: InspectionResult,  # noqa: ARG002 - the port's
        row: Row,
        idempotency_key: str,  # noqa: ARG002 - the port's
    ) -> None:
        raise RuleViolated(f"The MES cannot change a count; {row.ref} stays as it is.")

    async def _of(self, material: str, characteristic: str) -> list[Row]:
        path = f"/quality/spc/{in_path(material)}/{in_path(characteristic)}"
        chart = await self.calls.found(path, limit=str(_ALL))
        points: list[Entry] = [] if chart is None else chart["points"]
        return understood(path, lambda found: [_row(material, characteristic, point) for point in found], points)


def _counted(specs: Sequence[Entry]) -> list[tuple[str, str]]:
    return [(spec["material"], spec["characteristic"]) for spec in specs if spec["counted"]]


def _lot_ref(record: InspectionResult) -> str:
    return f"[{record.id}] {record.lot_id}"


def _ref(material: str, characteristic: str, number: int) -> str:
    return f"{spec_ref(material, characteristic)}#{number}"


def _row(material: str, characteristic: str, point: Entry) -> Row:
    stamped = _STAMP.fullmatch(point["lot_ref"])
    ref = _ref(material, characteristic, point["count"])
    key, lot = stamped.groups() if stamped else (ref, point["lot_ref"])
    inspected, rejected, at = point["n"], point["k"], moment(point["ts"])
    return Row(
        key=key,
        ref=ref,
        values={
            "material": material,
            "characteristic": characteristic,
            "lot": lot,
            "inspected": inspected,
            "rejected": rejected,
        },
        assumed={
            "readings": (1.0,) * rejected + (0.0,) * (inspected - rejected),
            "verdict": Verdict.REJECT if rejected else Verdict.ACCEPT,
            "measured_at": at,
            "recorded_at": at,
        },
    )
