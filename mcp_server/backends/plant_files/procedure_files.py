"""The files of work instructions and lockout procedures."""

from mcp_server.backends.plant_files.cells import DAY, LIST, POSITIVE, TEXT, one_of
from mcp_server.backends.plant_files.columns import PROCEDURE, PROJECT, Column, PlantFile, may, part, ref
from mcp_server.domain.records import DocumentState, Hazard, SopStep

__all__ = ["PROCEDURE_FILES"]

PROCEDURE_FILES = (
    PlantFile(
        "lockouts",
        (
            ref("sop_id", "sop_sections"),
            Column("title"),
            Column("machine_ids", LIST, refers=("machines",)),
            Column("effective_on", DAY),
            Column("inspected_on", DAY),
        ),
        key=("sop_id",),
    ),
    PlantFile(
        "sops",
        (
            ref("sop_id", "sop_sections"),
            PROJECT,
            may("workstation", TEXT, "workstations"),
            Column("title"),
            Column("revision", POSITIVE),
            Column("state", one_of(DocumentState)),
            Column("effective_or_updated", DAY),
        ),
        key=("sop_id",),
    ),
    PlantFile(
        "sop_sections",
        (
            PROCEDURE,
            may("material_id", TEXT, "materials"),
            may("purpose"),
            may("scope"),
            may("ppe", LIST),
            may("tools", LIST),
            may("loto_sop_id", TEXT, "lockouts"),
            may("loto_not_required_reason"),
            ref("created_by", "people"),
            may("training", LIST),
            may("reaction_plan"),
            may("records", LIST),
            may("references", LIST),
        ),
        key=("sop_id",),
    ),
    PlantFile("sop_hazards", (PROCEDURE, *part(Hazard, "hazard", "consequence", "avoidance", "signal_word"))),
    PlantFile(
        "sop_steps",
        (
            PROCEDURE,
            Column("position", POSITIVE),
            *part(SopStep, "text", "time_s"),
            *part(SopStep, "key_point", required=False),
            may("check_spec_id", TEXT, "specs"),
            *part(SopStep, "safety", required=False),
        ),
        key=("sop_id", "position"),
    ),
)
