"""What holds for the rows of every control plan, new, changed or up for approval: references and rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from mcp_server.backends.base import Query
from mcp_server.domain.quality.control_plan import (
    Finding,
    check_machine,
    check_row,
    complete_row,
    coverage,
)
from mcp_server.domain.quality.gauges import check_gauge
from mcp_server.domain.records import Gauge, Machine, Phase, PlanRow, Project, Spec
from mcp_server.errors import RuleViolated
from mcp_server.pipeline.declaration import Result, ToolCall
from mcp_server.pipeline.preconditions import did_you_mean, ids, in_use, record_of
from mcp_server.tools.paging import selection
from mcp_server.tools.quality.gauges import gauge_named

__all__ = [
    "RowFinding",
    "RowsAsked",
    "SpecialCoverage",
    "completed",
    "covered",
    "findings",
    "listed_once",
    "refer_to_the_plant",
    "refuse_stopping",
    "warnings",
]

_MOST_TOLD = 10


class SpecialCoverage(Result):
    """How many of the material's special characteristics have a row, and which have none."""

    special_total: int
    special_covered: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowsAsked:
    """Rows under check, and how the caller points at them.

    `numbers` are the positions the caller counts; where rows are no argument themselves, `given_at` is the place of
    every field that was given, by row and name, and `otherwise` the argument to use for all others.
    """

    rows: Sequence[PlanRow]
    material_id: str
    numbers: Sequence[int]
    given_at: Mapping[tuple[int, str], str] | None = None
    otherwise: str = "rows"

    def called(self, index: int, field: str | None = None) -> str:
        row = f"rows[{self.numbers[index]}]"
        return row if field is None else f"{row}.{field}"

    def place(self, index: int, field: str) -> str:
        if self.given_at is None:
            return self.called(index, field)
        return self.given_at.get((self.numbers[index], field), self.otherwise)


@dataclass(frozen=True, slots=True)
class RowFinding:
    """A rule that a row does not meet: `place` is the argument to blame, `name` the field of the row."""

    place: str
    name: str
    finding: Finding


async def refer_to_the_plant(asked: RowsAsked, call: ToolCall, project: Project) -> None:
    """Every id in a row exists, and belongs together: specification to material, machine in use. A characteristic
    that is specified is named by its specification, whose limits and class would not hold for the row otherwise.

    Raises:
        NotFound: an id is unknown.
        RuleViolated: it cannot be used here.
    """
    for index, row in enumerate(asked.rows):
        if row.machine_id is not None:
            await _machine_is_in_use(row.machine_id, call, asked.place(index, "machine_id"), project)
        if row.gauge_id is not None:
            await record_of(call, Gauge, row.gauge_id, field=asked.place(index, "gauge_id"), project=project)
        if row.spec_id is None:
            await _characteristic_has_no_spec(row, asked, index, call)
        else:
            await _spec_is_of_material(row.spec_id, asked.material_id, call, asked.place(index, "spec_id"), project)


def listed_once(asked: RowsAsked) -> None:
    """No characteristic is controlled twice at the same machine.

    Raises:
        RuleViolated: two rows are the same.
    """
    seen: dict[tuple[str | None, ...], int] = {}
    for index, row in enumerate(asked.rows):
        what = (row.spec_id,) if row.spec_id else ((row.characteristic or "").casefold(), row.operation)
        first = seen.setdefault((row.machine_id, *what), index)
        if first != index:
            raise RuleViolated(
                f"{asked.called(index)} repeats {asked.called(first)}: the same characteristic at the same machine.",
                field=asked.place(index, "spec_id" if row.spec_id else "characteristic"),
                suggestion="Remove one of the two rows, or give each its own machine_id.",
            )


async def completed(rows: Iterable[PlanRow], call: ToolCall, project: Project) -> tuple[PlanRow, ...]:
    """The rows as they are stored: what was left out comes from the specification."""
    return tuple([complete_row(row, await _spec_of(row, call, project)) for row in rows])


async def findings(asked: RowsAsked, phase: Phase, call: ToolCall, project: Project) -> list[RowFinding]:
    """Every rule a row does not meet; the references are known to be right."""
    return [
        RowFinding(asked.place(index, finding.field), asked.called(index, finding.field), finding)
        for index, row in enumerate(asked.rows)
        for finding in await _row_findings(row, phase, call, project)
    ]


def refuse_stopping(found: Iterable[RowFinding]) -> None:
    """
    Raises:
        RuleViolated: for the first finding that stops, naming the others.
    """
    stopping = [one for one in found if one.finding.stops]
    if stopping:
        first = stopping[0]
        raise RuleViolated(
            f"{first.name}: {first.finding.message}.",
            field=first.place,
            suggestion=first.finding.suggestion,
            also=[f"{one.name}: {one.finding.message}" for one in stopping[1:_MOST_TOLD]],
        )


def warnings(found: Iterable[RowFinding], covered_: SpecialCoverage) -> tuple[str, ...]:
    """What does not stop the plan, but whoever approves it wants to know."""
    told = [f"{one.name}: {one.finding.message}." for one in found if not one.finding.stops]
    if covered_.missing:
        told.append(f"Special characteristics without a row: {', '.join(covered_.missing)}.")
    return tuple(told)


async def covered(material_id: str, rows: Iterable[PlanRow], call: ToolCall) -> SpecialCoverage:
    specs = (await call.plant.find(Spec, Query(selection(material_id=material_id)))).items
    return SpecialCoverage(**asdict(coverage(specs, rows)))


async def _row_findings(row: PlanRow, phase: Phase, call: ToolCall, project: Project) -> list[Finding]:
    spec = await _spec_of(row, call, project)
    whole = complete_row(row, spec)
    found = check_row(whole, spec)
    if row.machine_id is not None:
        machine = await record_of(call, Machine, row.machine_id, field="machine_id", project=project)
        found += check_machine(machine, phase)
    gauge = await gauge_named(whole, call, project)
    if gauge is not None:
        found += check_gauge(gauge, whole, on=call.today(project.time_zone), measured=False)
    return found


async def _characteristic_has_no_spec(row: PlanRow, asked: RowsAsked, index: int, call: ToolCall) -> None:
    specs = (await call.plant.find(Spec, Query(selection(material_id=asked.material_id)))).items
    named = ((row.characteristic or "").casefold(), (row.operation or "").casefold())
    same = [spec for spec in specs if (spec.characteristic.casefold(), spec.operation.casefold()) == named]
    if same:
        raise RuleViolated(
            f"{asked.called(index)}: {same[0].id} specifies {same[0].characteristic} of {asked.material_id}.",
            field=asked.place(index, "spec_id"),
            suggestion=f"Give spec_id {same[0].id}; what the row leaves out comes from it.",
            alternatives=ids(same),
        )


async def _spec_of(row: PlanRow, call: ToolCall, project: Project) -> Spec | None:
    return None if row.spec_id is None else await record_of(call, Spec, row.spec_id, field="spec_id", project=project)


async def _machine_is_in_use(machine_id: str, call: ToolCall, field: str, project: Project) -> None:
    machine = await record_of(call, Machine, machine_id, field=field, project=project)
    if in_use(machine):
        return
    siblings = Query(selection(project=project.id, workstation=machine.workstation))
    others = [m for m in (await call.plant.find(Machine, siblings)).items if in_use(m)]
    there = f"At {machine.workstation} there are {did_you_mean(others)}"
    raise RuleViolated(
        f"{machine.id} ({machine.name}) is decommissioned.",
        field=field,
        suggestion=there if others else "Choose another machine.",
        alternatives=ids(others),
    )


async def _spec_is_of_material(spec_id: str, material_id: str, call: ToolCall, field: str, project: Project) -> None:
    spec = await record_of(call, Spec, spec_id, field=field, project=project)
    if spec.material_id == material_id:
        return
    specs = (await call.plant.find(Spec, Query(selection(material_id=material_id)))).items
    raise RuleViolated(
        f"{spec.id} ({spec.characteristic}) is a characteristic of {spec.material_id}, not of {material_id}.",
        field=field,
        suggestion=f"{material_id} has {did_you_mean(specs)}" if specs else "Change material_id.",
        alternatives=ids(specs),
    )
