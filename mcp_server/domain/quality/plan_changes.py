"""Changes of a control plan, field by field: what is asked for, what comes out of it, and how two revisions differ.

Every value comes as text, so that one closed shape can change anything; it is then held to the field's own type.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from mcp_server.domain.quality.control_plan import FROM_SPEC
from mcp_server.domain.records import LISTED_ELSEWHERE, Part, PlanRow, QualityPlan

__all__ = [
    "MOST_ROWS",
    "CoreTeam",
    "Customer",
    "Difference",
    "Patch",
    "PatchProblem",
    "PatchedPlan",
    "PlanChange",
    "PlanField",
    "PlanTitle",
    "differences",
    "patched",
]

MOST_ROWS = 200

PlanTitle = Annotated[str, Field(min_length=3, max_length=120, description="Name of the plan")]
Customer = Annotated[str | None, Field(min_length=2, max_length=80, description="Customer")]
CoreTeam = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=80)], ...], Field(max_length=20, description="Names or roles")
]

PlanField = Literal[
    "title", "customer", "core_team",
    "spec_id", "operation", "machine_id", "characteristic", "kind", "unit", "nominal", "lsl", "usl", "special_class",
    "technique", "gauge_id", "sampling", "sample_size", "aql", "inspection_level", "frequency", "control_method",
    "reaction_plan", "reaction_owner",
]  # fmt: skip

_HEADER = frozenset({"title", "customer", "core_team"})
_GIVES_WAY = {"spec_id": (*FROM_SPEC, "technique"), "sampling": ("sample_size", "aql", "inspection_level")}
"""What an old value of the field has filled in or asked for; it goes with that value unless it is given anew."""


class PlanChange(Part):
    """One field of one row, or of the plan itself."""

    row: Annotated[int | None, Field(ge=0, le=2 * MOST_ROWS - 1, description="From 0; none: the plan")] = None
    field: Annotated[PlanField, Field(description="As in create_quality_plan", json_schema_extra=LISTED_ELSEWHERE)]
    value: Annotated[str | None, Field(max_length=500, description="New; none clears; core_team A;B")] = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Positions are those of the revision it is for; copies follow its last row, and can be changed there."""

    changes: Sequence[PlanChange] = ()
    copy_rows: Sequence[int] = ()
    remove_rows: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class PatchedPlan:
    """What a patch makes of a plan. `positions` says, row by row, where in the patch's count it stood."""

    title: str
    customer: str | None
    core_team: tuple[str, ...]
    rows: tuple[PlanRow, ...]
    positions: tuple[int, ...]


class PatchProblem(Exception):
    """A patch that cannot be applied. `field` is its place in the patch."""

    def __init__(self, field: str, message: str, suggestion: str, alternatives: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.suggestion = suggestion
        self.alternatives = tuple(alternatives)


class Difference(Part):
    """`row` is the position in the new revision, of a removed row in the old one; `field` may be `added`, `removed`."""

    row: int | None = None
    field: str
    before: str | None = None
    after: str | None = None


class _Header(Part):
    title: PlanTitle
    customer: Customer = None
    core_team: CoreTeam = ()


def patched(plan: QualityPlan, patch: Patch) -> PatchedPlan:
    """The plan's content after the patch. Rows are as given: what a specification fills in is not filled in yet.

    Raises:
        PatchProblem: a position, a field or a value does not fit.
    """
    _check_positions(plan, patch)
    asked = _by_target(patch)
    rows = [*plan.rows, *(plan.rows[position] for position in patch.copy_rows)]
    kept = [position for position in range(len(rows)) if position not in patch.remove_rows]
    if not 1 <= len(kept) <= MOST_ROWS:
        raise PatchProblem(
            "remove_rows" if not kept else "copy_rows",
            f"The plan would have {len(kept)} rows.",
            f"A plan has 1 to {MOST_ROWS} rows; withdraw a plan that is not needed any more.",
        )
    header = _changed_header(plan, patch, asked.get(None, {}))
    return PatchedPlan(
        title=header.title,
        customer=header.customer,
        core_team=header.core_team,
        rows=tuple(_changed_row(rows[position], patch, asked.get(position, {})) for position in kept),
        positions=tuple(kept),
    )


def differences(before: QualityPlan, after: QualityPlan, positions: Sequence[int]) -> tuple[Difference, ...]:
    """Field by field; `positions` says where each row of `after` stood in `before`, or beyond it for a new row."""
    return tuple(_differences(before, after, positions))


def _differences(before: QualityPlan, after: QualityPlan, positions: Sequence[int]) -> Iterator[Difference]:
    for name in ("title", "customer", "core_team", "material_revision", "review_reason"):
        yield from _difference(None, name, _text(getattr(before, name)), _text(getattr(after, name)))
    for number, (position, row) in enumerate(zip(positions, after.rows, strict=True)):
        if position >= len(before.rows):
            yield Difference(row=number, field="added", after=_called(row))
            continue
        old, new = _texts(before.rows[position]), _texts(row)
        for name in PlanRow.model_fields:
            yield from _difference(number, name, old.get(name), new.get(name))
    for position, row in enumerate(before.rows):
        if position not in positions:
            yield Difference(row=position, field="removed", before=_called(row))


def _difference(row: int | None, name: str, before: str | None, after: str | None) -> Iterator[Difference]:
    if before != after:
        yield Difference(row=row, field=name, before=before, after=after)


def _check_positions(plan: QualityPlan, patch: Patch) -> None:
    last = len(plan.rows) - 1
    for name, positions in (("copy_rows", patch.copy_rows), ("remove_rows", patch.remove_rows)):
        for number, position in enumerate(positions):
            if not 0 <= position <= last:
                raise PatchProblem(
                    f"{name}[{number}]", f"{plan.id} has no row {position}.", f"Its rows are 0 to {last}."
                )
    most = last + len(patch.copy_rows)
    for number, change in enumerate(patch.changes):
        _check_target(change, f"changes[{number}]", most, patch.remove_rows)


def _check_target(change: PlanChange, place: str, most: int, removed: Sequence[int]) -> None:
    of_plan = change.field in _HEADER
    if of_plan is not (change.row is None):
        remedy = "Leave row out." if of_plan else f"Say which row, 0 to {most}."
        belongs = "the plan, not to a row" if of_plan else "a row"
        raise PatchProblem(f"{place}.row", f"{change.field} belongs to {belongs}.", remedy)
    if change.row is not None and change.row > most:
        raise PatchProblem(
            f"{place}.row", f"There is no row {change.row}.", f"Rows are 0 to {most}, copies included, last."
        )
    if change.row in removed:
        raise PatchProblem(f"{place}.row", f"Row {change.row} is removed by the same call.", "Do one of the two.")


def _by_target(patch: Patch) -> dict[int | None, dict[str, int]]:
    """For every row, and None for the plan itself: which change sets which field."""
    asked: dict[int | None, dict[str, int]] = {}
    for number, change in enumerate(patch.changes):
        first = asked.setdefault(change.row, {}).setdefault(change.field, number)
        if first != number:
            raise PatchProblem(
                f"changes[{number}].field", f"changes[{first}] sets {change.field} already.", "Keep one of the two."
            )
    return asked


def _changed_header(plan: QualityPlan, patch: Patch, asked: Mapping[str, int]) -> _Header:
    values: dict[str, object] = {name: getattr(plan, name) for name in _HEADER}
    for name, number in asked.items():
        value = patch.changes[number].value
        values[name] = _members(value) if name == "core_team" else value
    try:
        return _Header.model_validate(values)
    except ValidationError as error:
        raise _problem(error, asked, _Header) from None


def _changed_row(row: PlanRow, patch: Patch, asked: Mapping[str, int]) -> PlanRow:
    if not asked:
        return row
    texts = _texts(row)
    for name, number in asked.items():
        value = patch.changes[number].value
        if value != texts.get(name):
            for follower in _GIVES_WAY.get(name, ()) if value is not None else ():
                if follower not in asked:
                    texts.pop(follower, None)
        texts.pop(name, None)
        if value is not None:
            texts[name] = value.strip()
    try:
        return PlanRow.model_validate_strings(texts)
    except ValidationError as error:
        raise _problem(error, asked, PlanRow) from None


def _problem(error: ValidationError, asked: Mapping[str, int], model: type[Part]) -> PatchProblem:
    detail: ErrorDetails = error.errors(include_url=False, include_input=False)[0]
    name = str(detail["loc"][0])
    allowed = re.findall(r"'([^']+)'", str(detail.get("ctx", {}).get("expected", "")))
    what = model.model_fields[name].description
    return PatchProblem(
        f"changes[{asked[name]}].value", f"{name} {_wrong(detail)}.", f"Give {name} as text ({what}).", allowed
    )


def _wrong(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "missing" | "string_type":
            return "is required"
        case "enum" | "literal_error":
            return "is not one of the allowed values"
        case "float_parsing" | "int_parsing":
            return "must be a number" if detail["type"] == "float_parsing" else "must be a whole number"
        case _:
            return re.sub(r"^(Input|String|Value|Tuple) should", "must", detail["msg"])


def _members(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(";") if part.strip())


def _texts(row: PlanRow) -> dict[str, str]:
    return {name: str(value) for name, value in row.model_dump(mode="json", exclude_none=True).items()}


def _text(value: object) -> str | None:
    return "; ".join(map(str, value)) if isinstance(value, tuple) else None if value is None else str(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - a tuple of texts


def _called(row: PlanRow) -> str:
    return row.spec_id or row.characteristic or "?"
