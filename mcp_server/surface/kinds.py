"""The kinds of records that have an address: `plant://machines/MC-101`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mcp_server.domain.records import (
    Checklist,
    Document,
    Gauge,
    InspectionResult,
    Issue,
    Lot,
    Machine,
    MaintenanceRecord,
    Material,
    Person,
    PmPlan,
    PmTask,
    Project,
    QualityPlan,
    Record,
    Sop,
    Spec,
    StockItem,
    WorkOrder,
    Workstation,
)
from mcp_server.pipeline.declaration import Tool, Toolset

__all__ = ["KINDS", "SCHEME", "Kind", "offered_kinds"]

SCHEME = "plant://"


@dataclass(frozen=True, slots=True)
class Kind:
    """`reader` is the tool that gives the same records: where it is hidden, so is the address."""

    segment: str
    record: type[Record]
    toolset: Toolset
    reader: str

    @property
    def template(self) -> str:
        return f"{SCHEME}{self.segment}/{{id}}"

    @property
    def is_document(self) -> bool:
        return issubclass(self.record, Document)


KINDS = (
    Kind("projects", Project, "core", "list_projects"),
    Kind("machines", Machine, "core", "get_machines"),
    Kind("materials", Material, "core", "get_materials"),
    Kind("specs", Spec, "core", "get_specs"),
    Kind("workstations", Workstation, "core", "get_workstations"),
    Kind("gauges", Gauge, "core", "get_resources"),
    Kind("people", Person, "core", "get_resources"),
    Kind("stock", StockItem, "core", "get_resources"),
    Kind("lots", Lot, "quality", "get_record"),
    Kind("quality-plans", QualityPlan, "quality", "get_quality_plans"),
    Kind("checklists", Checklist, "quality", "get_record"),
    Kind("inspection-results", InspectionResult, "quality", "get_record"),
    Kind("pm-plans", PmPlan, "maintenance", "get_record"),
    Kind("pm-tasks", PmTask, "maintenance", "get_upcoming_schedules"),
    Kind("work-orders", WorkOrder, "maintenance", "get_upcoming_schedules"),
    Kind("maintenance-history", MaintenanceRecord, "maintenance", "get_maintenance_history"),
    Kind("sops", Sop, "procedures", "get_sops"),
    Kind("issues", Issue, "issues", "get_issues"),
)


def offered_kinds(tools: Iterable[Tool[Any, Any, Any]]) -> tuple[Kind, ...]:
    """The kinds whose toolset and whose reading tool are offered."""
    offered = tuple(tools)
    names, toolsets = {tool.name for tool in offered}, {tool.toolset for tool in offered}
    return tuple(kind for kind in KINDS if kind.reader in names and kind.toolset in toolsets)
