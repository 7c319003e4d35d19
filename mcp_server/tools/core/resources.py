"""Toolset core: who and what a job can use. The tool only reads."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.records import SHARED, Gauge, Person, Shift, StockItem
from mcp_server.errors import RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Effect, ListRequest, ListResult, ProjectField, Result, ToolCall, tool
from mcp_server.pipeline.preconditions import project_of
from mcp_server.tools.paging import envelope, page_is_as_asked, page_of, selection

__all__ = ["TOOLS"]

ResourceKind = Literal["person", "tool", "gauge", "ppe", "consumable", "spare_part"]


class GetResources(ListRequest):
    project: ProjectField
    kind: Annotated[ResourceKind, Field(description="What to list")]
    skill: Annotated[str | None, Field(min_length=2, max_length=40, description="Of people, e.g. plc")] = None
    shift: Annotated[Shift | None, Field(description="Of people")] = None
    q: Annotated[str | None, Field(min_length=2, max_length=80, description="Text in id or name")] = None


class ResourceItem(Result):
    """A person, a gauge or a stock item; fields that its kind does not have are None.

    `overdue`: the calibration day has passed. `short`: less on hand than the minimum.
    """

    id: str
    kind: ResourceKind
    project: str
    name: str
    role: str | None = None
    skills: tuple[str, ...] | None = None
    shift: Shift | None = None
    resolution: float | None = None
    last_calibrated: date | None = None
    cal_due: date | None = None
    overdue: bool | None = None
    grr_pct: float | None = None
    ndc: int | None = None
    unit: str | None = None
    on_hand: float | None = None
    minimum: float | None = None
    short: bool | None = None
    location: str | None = None
    machine_types: tuple[str, ...] | None = None
    lead_time_days: int | None = None


class Resources(ListResult[ResourceItem]):
    pass


async def _filters_fit_the_kind(request: GetResources, _call: ToolCall) -> None:
    for name in ("skill", "shift"):
        if request.kind != "person" and getattr(request, name) is not None:
            raise RuleViolated(
                f"{name} belongs to people; a {request.kind} has none.",
                field=name,
                suggestion=f"Leave {name} out, or ask for kind person.",
            )


async def _calibration_is_told_truly(request: GetResources, result: Resources, call: ToolCall) -> None:
    """The days are read again and `overdue` is worked out anew: a gauge past its date must not look usable."""
    today = call.today((await project_of(call, request.project)).time_zone)
    for item in result.items:
        gauge = await call.plant.get(Gauge, item.id) if item.kind == "gauge" else None
        if gauge is not None and (item.cal_due, item.overdue) != (gauge.cal_due, today > gauge.cal_due):
            raise VerificationFailed(f"The calibration of {item.id} is not told as it is on record.", field="overdue")


@tool(
    toolset="core",
    effect=Effect.READ,
    request=GetResources,
    result=Resources,
    preconditions=(_filters_fit_the_kind,),
    result_checks=(page_is_as_asked, _calibration_is_told_truly),
)
async def get_resources(request: GetResources, call: ToolCall) -> Resources:
    """List people with skills and shifts, gauges, or stock. Overdue and short ones are flagged."""
    project = await project_of(call, request.project)
    query = Query(selection(project=(project.id, SHARED)), request.q)
    warnings: tuple[str, ...] = ()
    match request.kind:
        case "person":
            people = (await call.plant.find(Person, query)).items
            items = [_person(person) for person in people if _is_wanted(person, request)]
            warnings = _unheld(request.skill, people)
        case "gauge":
            today = call.today(project.time_zone)
            items = [_gauge(gauge, today) for gauge in (await call.plant.find(Gauge, query)).items]
        case kind:
            stock = Query({**query.among, "kind": (kind,)}, request.q)
            items = [_stock(item) for item in (await call.plant.find(StockItem, stock)).items]
    page = page_of(items, request, lambda item: item.id)
    return Resources(items=page.items, warnings=(*warnings, *_flags(page.items)), **envelope(page, call))


def _is_wanted(person: Person, request: GetResources) -> bool:
    skilled = request.skill is None or request.skill.casefold() in {skill.casefold() for skill in person.skills}
    return skilled and request.shift in {None, person.shift}


def _person(person: Person) -> ResourceItem:
    return ResourceItem(kind="person", **person.model_dump())


def _gauge(gauge: Gauge, today: date) -> ResourceItem:
    return ResourceItem(kind="gauge", overdue=gauge.cal_due < today, **gauge.model_dump(exclude={"cal_interval_days"}))


def _stock(item: StockItem) -> ResourceItem:
    return ResourceItem(kind=item.kind.value, short=item.on_hand < item.minimum, **item.model_dump(exclude={"kind"}))


def _unheld(skill: str | None, people: Iterable[Person]) -> tuple[str, ...]:
    held = {skill for person in people for skill in person.skills}
    if skill is None or skill.casefold() in {known.casefold() for known in held}:
        return ()
    return (f"Nobody has the skill {skill!r}. Skills are {', '.join(sorted(held)) or 'not on record'}.",)


def _flags(items: tuple[ResourceItem, ...]) -> tuple[str, ...]:
    late = [f"{i.id} is overdue for calibration since {i.cal_due}." for i in items if i.overdue]
    short = [
        f"{i.id}: {i.on_hand:g} {i.unit} on hand, minimum {i.minimum:g}"
        + ("." if i.lead_time_days is None else f", {i.lead_time_days} days to get.")
        for i in items
        if i.short
    ]
    return (*late, *short)


TOOLS = (get_resources,)
