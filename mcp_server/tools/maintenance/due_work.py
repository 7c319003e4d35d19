"""What recurring work stands, and what the meters showed that it may be due by."""

from collections.abc import Iterable, Mapping
from itertools import groupby

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.meters import Reading, meter_series
from mcp_server.domain.maintenance.pm_plans import is_daily_check
from mcp_server.domain.records import DocumentState, Machine, MeterReading, PmPlan, PmTask
from mcp_server.pipeline.declaration import ToolCall
from mcp_server.pipeline.preconditions import in_use
from mcp_server.tools.paging import selection

__all__ = ["live_tasks", "readings_of"]


async def live_tasks(machines: Iterable[Machine], call: ToolCall, *, daily: bool) -> list[PmTask]:
    """Tasks that a released plan lists, of machines in use; with the daily checks, which are kept as checklists, or
    without.
    """
    active = tuple(machine.id for machine in machines if in_use(machine))
    plans = (await call.plant.find(PmPlan, Query({"machine_id": active, "state": (DocumentState.RELEASED,)}))).items
    listed = {task_id for plan in plans for task_id in plan.task_ids}
    tasks = (await call.plant.find(PmTask, Query({"machine_id": active}))).items
    return [task for task in tasks if task.id in listed and (daily or not is_daily_check(task))]


async def readings_of(zones: Mapping[str, str], call: ToolCall) -> dict[str, tuple[Reading, ...]]:
    """What the meters showed, by machine; `zones` holds the time zone of each."""
    found = (await call.plant.find(MeterReading, Query(selection(machine_id=tuple(zones))))).items
    by_machine = groupby(sorted(found, key=lambda r: r.machine_id), key=lambda r: r.machine_id)
    read = {machine_id: meter_series(readings, zones[machine_id]) for machine_id, readings in by_machine}
    return {machine_id: read.get(machine_id, ()) for machine_id in zones}
