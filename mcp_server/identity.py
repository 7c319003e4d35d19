"""Who the server says it is. Standard library only: the stdio front answers with it before anything is imported."""

NAME = "shopfloor"
TITLE = "Shopfloor manufacturing tools"
VERSION = "0.1.0"
INSTRUCTIONS = (
    "Validated manufacturing tools over the plant's system of record. Start with list_projects; nearly every tool "
    "takes `project`. Refer to records by id. A refused call returns one JSON object with code, message, field, "
    "suggestion and alternatives: correct that field and call again. Writes are checked, read back and audited; use "
    "dry_run to check a write without storing it."
)
