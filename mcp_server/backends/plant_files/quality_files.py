"""The files of control plans, checklists, results, and issues."""

from mcp_server.backends.plant_files.cells import COUNT, DAY, LIST, MOMENT, NUMBERS, POSITIVE, TEXT, like, one_of
from mcp_server.backends.plant_files.columns import (
    OWN_PROJECT,
    PROJECT,
    Column,
    PlantFile,
    may,
    part,
    ref,
    unread,
    when,
)
from mcp_server.domain.records import DocumentState, IssueCategory, IssueState, Phase, PlanRow, Severity

__all__ = ["QUALITY_FILES"]

QUALITY_FILES = (
    PlantFile(
        "quality_plans",
        (
            Column("id"),
            Column("revision", POSITIVE),
            OWN_PROJECT,
            Column("title"),
            Column("phase", one_of(Phase)),
            ref("material_id", "materials"),
            Column("state", one_of(DocumentState)),
            may("customer"),
            may("core_team", LIST),
            ref("created_by", "people"),
            Column("created_on", DAY),
            may("change_reason"),
            may("review_reason"),
        ),
        key=("id", "revision"),
    ),
    PlantFile(
        "quality_plan_rows",
        (
            ref("plan_key", "quality_plans@"),
            may("spec_id", TEXT, "specs"),
            may("machine_id", TEXT, "machines"),
            may("gauge_id", TEXT, "gauges"),
            *part(PlanRow, "sampling"),
            when(("sampling", "fixed"), "sample_size", like(PlanRow, "sample_size")),
            when(("sampling", "aql"), "aql", like(PlanRow, "aql")),
            *part(PlanRow, "frequency", "control_method", "reaction_plan", "reaction_owner"),
            may("operation", like(PlanRow, "operation"), unless="spec_id"),
            may("characteristic", like(PlanRow, "characteristic"), unless="spec_id"),
            may("technique", like(PlanRow, "technique"), unless="spec_id"),
        ),
    ),
    PlantFile(
        "checklists",
        (
            Column("id"),
            OWN_PROJECT,
            Column("title"),
            may("plan_id", TEXT, "quality_plans"),
            ref("material_id", "materials"),
            Column("operation"),
            may("lot_size", POSITIVE),
            Column("state", one_of(DocumentState)),
            may("created_by", TEXT, "people"),
            may("created_on", DAY),
        ),
        key=("id",),
    ),
    PlantFile(
        "checklist_items",
        (
            ref("checklist_id", "checklists"),
            may("plan_row", POSITIVE),
            may("spec_id", TEXT, "specs", unless="plan_row"),
            may("sample_size", POSITIVE, unless="plan_row"),
            may("gauge_id", TEXT, "gauges"),
            may("frequency", unless="plan_row"),
        ),
    ),
    PlantFile(
        "inspection_results",
        (
            Column("id"),
            ref("checklist_id", "checklists"),
            Column("checklist_item", POSITIVE),
            may("spec_id", TEXT, "specs"),
            ref("lot_id", "lots"),
            ref("inspector", "people"),
            may("gauge_id", TEXT, "gauges"),
            Column("measured_at", MOMENT),
            Column("readings", NUMBERS),
            may("issue_id", TEXT, "issues"),
            *unread("nonconforming"),
        ),
        key=("id",),
    ),
    PlantFile(
        "issues",
        (
            Column("issue_id"),
            PROJECT,
            Column("title"),
            Column("category", one_of(IssueCategory)),
            Column("severity", one_of(Severity)),
            Column("state", one_of(IssueState)),
            may("machine_id", TEXT, "machines"),
            may("spec_id", TEXT, "specs"),
            Column("opened_on", DAY),
            Column("qty_affected", COUNT),
            may("description"),
            may("detected_by"),
            may("workstation", TEXT, "workstations"),
            may("material_id", TEXT, "materials"),
        ),
        key=("issue_id",),
    ),
    PlantFile(
        "issue_stories",
        unread(*("title", "description", "containment", "whys", "escape_point", "action", "action_owner", "evidence")),
    ),
)
