"""Toolset procedures: takt time and line balance."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.procedures.takt import (
    Balance,
    LoadStatus,
    ShiftPattern,
    balance,
    load_pct,
    load_status,
    shift_problem,
    takt_time_s,
)
from mcp_server.domain.records import Project, TaktInputs, Workstation
from mcp_server.errors import NotFound, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Code, Effect, ProjectField, Request, Result, ToolCall, tool
from mcp_server.pipeline.preconditions import project_of
from mcp_server.tools.paging import selection

__all__ = ["TOOLS", "takt_of"]

BASIS = (
    "takt = net time / demand a day; net time is shifts x (shift - planned breaks - meetings). "
    "cycle_s is the pace of the whole station in seconds a piece: its parallel machines are already in it."
)
_ALL_LINES = "all"
_UNITS = {
    "demand_per_day": "pieces/day",
    "shifts_per_day": "shifts/day",
    "shift_min": "min/shift",
    "planned_breaks_min_per_shift": "min/shift",
    "meetings_5s_min_per_shift": "min/shift",
}


class GetTaktTime(Request):
    project: ProjectField
    line: Annotated[Code | None, Field(description="e.g. ALPHA-A1")] = None
    demand_per_day: Annotated[int | None, Field(ge=1, le=1_000_000, description="Pieces a day, not the plan's")] = None
    shifts_per_day: Annotated[int | None, Field(ge=1, le=4, description="Shifts, not the plan's")] = None


class TaktInput(Result):
    name: str
    value: float
    unit: str
    source: Literal["plant_data", "override"]


class StationLoad(Result):
    """`load_pct` is the cycle in percent of takt."""

    id: str
    operation: str
    cycle_s: float
    load_pct: float | None = None
    status: LoadStatus | None = None


class TaktTime(Result):
    """What cannot be computed is absent, and `missing` names the inputs that are not on record."""

    takt_s: float | None = None
    net_time_min_per_day: float | None = None
    inputs: tuple[TaktInput, ...]
    missing: tuple[str, ...] = ()
    stations: tuple[StationLoad, ...]
    bottleneck: str | None = None
    total_cycle_s: float
    minimum_stations: int | None = None
    efficiency_pct: float | None = None
    basis: str = BASIS
    warnings: tuple[str, ...] = ()


async def takt_of(call: ToolCall, project: Project, line: str | None) -> float | None:
    """Seconds a piece by the data on record, or None where they are missing or leave no time to work in."""
    values = _values(await _on_record(call, project, line))
    if len(values) < len(_UNITS) or _problem(values) is not None:
        return None
    return takt_time_s(_pattern(values), int(values["demand_per_day"]))


async def _line_exists(request: GetTaktTime, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    lines = sorted({station.line for station in await _stations(call, project, None)})
    if request.line is not None and request.line.casefold() not in {line.casefold() for line in lines}:
        raise NotFound(
            f"{project.id} has no line {request.line!r}.",
            field="line",
            suggestion=f"Its lines are {', '.join(lines)}; or leave line out." if lines else "Leave line out.",
            alternatives=lines,
        )


async def _there_is_time_and_demand(request: GetTaktTime, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    values = {put.name: put.value for put in await _inputs(request, call, project)}
    if values.get("demand_per_day", 1) <= 0:
        raise RuleViolated(
            f"The demand of {project.id} on record is {values['demand_per_day']:g} pieces a day.",
            field="demand_per_day",
            suggestion="Give demand_per_day, above 0.",
        )
    if (problem := _problem(values)) is not None:
        overridden = request.shifts_per_day is not None
        raise RuleViolated(
            problem,
            field="shifts_per_day" if overridden else "project",
            suggestion="Give fewer shifts_per_day." if overridden else "Correct the shift data of the project.",
        )


async def _follows_from_its_inputs(request: GetTaktTime, result: TaktTime, call: ToolCall) -> None:
    """Takt, loads and balance are computed again from the inputs that the answer names, and the stations read again."""
    project = await project_of(call, request.project)
    values = {put.name: put.value for put in result.inputs}
    takt_s = None if result.missing else takt_time_s(_pattern(values), int(values["demand_per_day"]))
    again = balance(await _stations(call, project, request.line), takt_s)
    right = (
        set(values) | set(result.missing) == set(_UNITS),
        result.takt_s == (None if takt_s is None else round(takt_s, 2)),
        [asdict(load) for load in again.stations] == [load.model_dump() for load in result.stations],
        all(_is_loaded_so(load, takt_s) for load in result.stations),
        _totals(result) == _totals(again),
    )
    if not all(right):
        raise VerificationFailed(
            "The takt time does not follow from its inputs.", field="takt_s", suggestion="Report this as a bug."
        )


@tool(
    toolset="procedures",
    effect=Effect.READ,
    request=GetTaktTime,
    result=TaktTime,
    preconditions=(_line_exists, _there_is_time_and_demand),
    result_checks=(_follows_from_its_inputs,),
)
async def get_takt_time(request: GetTaktTime, call: ToolCall) -> TaktTime:
    """Takt time of a project, and how its stations keep it: load, bottleneck, line balance.

    Give demand or shifts to ask what if.
    """
    project = await project_of(call, request.project)
    inputs = await _inputs(request, call, project)
    values = {put.name: put.value for put in inputs}
    missing = tuple(name for name in _UNITS if name not in values)
    takt_s = None if missing else takt_time_s(_pattern(values), int(values["demand_per_day"]))
    line = balance(await _stations(call, project, request.line), takt_s)
    return TaktTime(
        takt_s=None if takt_s is None else round(takt_s, 2),
        net_time_min_per_day=None if takt_s is None else _pattern(values).net_min_per_day,
        inputs=inputs,
        missing=missing,
        stations=tuple(StationLoad(**asdict(load)) for load in line.stations),
        bottleneck=line.bottleneck,
        total_cycle_s=line.total_cycle_s,
        minimum_stations=line.minimum_stations,
        efficiency_pct=line.efficiency_pct,
        warnings=tuple(_warnings(project, line, takt_s, missing)),
    )


async def _stations(call: ToolCall, project: Project, line: str | None) -> list[Workstation]:
    every = (await call.plant.find(Workstation, Query(selection(project=project.id)))).items
    return [station for station in every if line is None or station.line.casefold() == line.casefold()]


async def _on_record(call: ToolCall, project: Project, line: str | None) -> TaktInputs | None:
    """The line's own data, else the project's."""
    every = (await call.plant.find(TaktInputs, Query(selection(project=project.id)))).items
    by_group = {inputs.line_group.casefold(): inputs for inputs in every}
    return by_group.get((line or _ALL_LINES).casefold()) or by_group.get(_ALL_LINES)


async def _inputs(request: GetTaktTime, call: ToolCall, project: Project) -> tuple[TaktInput, ...]:
    known = _values(await _on_record(call, project, request.line))
    given = _given(request)
    return tuple(
        TaktInput(name=name, value=value, unit=unit, source="override" if name in given else "plant_data")
        for name, unit in _UNITS.items()
        if (value := given.get(name, known.get(name))) is not None
    )


def _given(request: GetTaktTime) -> dict[str, float]:
    asked = {"demand_per_day": request.demand_per_day, "shifts_per_day": request.shifts_per_day}
    return {name: float(value) for name, value in asked.items() if value is not None}


def _values(inputs: TaktInputs | None) -> dict[str, float]:
    return {} if inputs is None else {name: float(getattr(inputs, name)) for name in _UNITS}


def _pattern(values: dict[str, float]) -> ShiftPattern:
    return ShiftPattern(
        shifts_per_day=int(values["shifts_per_day"]),
        shift_min=values["shift_min"],
        breaks_min=values["planned_breaks_min_per_shift"],
        meetings_min=values["meetings_5s_min_per_shift"],
    )


def _problem(values: dict[str, float]) -> str | None:
    return shift_problem(_pattern(values)) if _UNITS.keys() - {"demand_per_day"} <= values.keys() else None


def _is_loaded_so(load: StationLoad, takt_s: float | None) -> bool:
    if takt_s is None:
        return load.load_pct is None and load.status is None
    exact = load_pct(load.cycle_s, takt_s)
    return load.status == load_status(load.cycle_s, takt_s) and load.load_pct == round(exact, 1)


def _totals(found: TaktTime | Balance) -> tuple[object, ...]:
    return found.bottleneck, found.total_cycle_s, found.minimum_stations, found.efficiency_pct


def _warnings(project: Project, line: Balance, takt_s: float | None, missing: tuple[str, ...]) -> Iterator[str]:
    if missing:
        yield f"No takt time: {project.id} has no {', '.join(missing)} on record."
    for load in line.stations:
        if load.status == "over":
            yield f"{load.id} needs {load.cycle_s:g} s a piece, takt is {takt_s:.2f} s ({load.load_pct:g} %)."
        elif load.status == "near":
            yield f"{load.id} uses {load.load_pct:g} % of takt: no reserve."
    if line.minimum_stations is not None and line.minimum_stations > len(line.stations):
        yield f"The work needs at least {line.minimum_stations} stations, there are {len(line.stations)}."


TOOLS = (get_takt_time,)
