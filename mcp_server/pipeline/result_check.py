"""The result before anyone sees it: its shape, the tool's invariants, and what a write really stored, by value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mcp_server.domain.records import Record
from mcp_server.errors import InternalError, VerificationFailed
from mcp_server.pipeline.declaration import CallT, Req, Res, Tool, Verification, WriteCall

__all__ = ["Mismatch", "check", "compare", "read_back"]

_MOST_SHOWN = 120
_MOST_TOLD = 10
_NOTHING_KEPT = "Nothing was kept. Report this to whoever runs the system of record."
_STAYS = (
    "What it holds now stays there. Correct it there, then repeat this call: it is checked again, not written again."
)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value of the record that was found otherwise than it was sent; both as text, cut short."""

    field: str
    sent: str
    found: str


async def check(tool: Tool[Req, Res, CallT], request: Req, result: Res, call: CallT) -> None:
    """The result fits its published model and meets every declared invariant.

    Raises:
        InternalError: the tool made a result its own schema forbids.
        VerificationFailed: an invariant does not hold.
    """
    try:
        tool.result.model_validate(result.model_dump(warnings=False))
    except ValidationError as error:
        fields = sorted({".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)})
        raise InternalError(f"{tool.name} made a result that does not fit its schema: {', '.join(fields)}.") from error
    for invariant in tool.result_checks:
        await invariant(request, result, call)


async def read_back(sent: Sequence[Record], call: WriteCall, *, undone: bool) -> Verification:
    """Read every record again and compare every field with what was sent.

    `undone` says whether the unit of work takes everything back when this fails.

    Raises:
        VerificationFailed: one is not there, or differs; the unit of work must not be committed.
    """
    advice = _NOTHING_KEPT if undone else _STAYS
    checked = 0
    for record in sent:
        checked += await _read_one_back(record, call, advice)
    return Verification(fields_checked=checked, read_at=call.now)


async def _read_one_back(sent: Record, call: WriteCall, advice: str) -> int:
    try:
        found = await call.unit.get(type(sent), sent.key)
    except InternalError as error:
        raise VerificationFailed(
            f"What the system of record made of {sent.id} cannot be read. {error.message}", suggestion=advice
        ) from error
    if found is None:
        raise VerificationFailed(f"The system of record accepted {sent.id} but does not hold it.", suggestion=advice)
    checked, mismatches = compare(sent.model_dump(mode="json"), found.model_dump(mode="json"))
    if mismatches:
        told = [m for m in mismatches if m.field != "revision"] or mismatches  # another content counts as a later one
        raise VerificationFailed(
            f"The system of record stored {sent.id} differently from what was sent.",
            field=told[0].field,
            suggestion=advice,
            also=[f"{m.field}: sent {m.sent}, found {m.found}" for m in told[:_MOST_TOLD]],
        )
    return checked


def compare(sent: dict[str, Any], found: dict[str, Any]) -> tuple[int, tuple[Mismatch, ...]]:
    """How many leaf values were compared, and those that differ."""
    ours, theirs = dict(_leaves(sent, "")), dict(_leaves(found, ""))
    paths = list(ours | theirs)
    return len(paths), tuple(
        Mismatch(field=path, sent=_short(ours.get(path)), found=_short(theirs.get(path)))
        for path in paths
        if path not in ours or path not in theirs or ours[path] != theirs[path]
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, dict) and value:
        for name, part in value.items():  # pyright: ignore[reportUnknownVariableType] - JSON of any shape
            yield from _leaves(part, f"{path}.{name}" if path else str(name))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list) and value:
        for position, part in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _leaves(part, f"{path}[{position}]")
    else:
        yield path, value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
