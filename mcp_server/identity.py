"""Who the server says it is. Standard library only: the stdio front answers with it before anything is imported."""

NAME = "shopfloor"
TITLE = "Shopfloor manufacturing tools"
VERSION = "0.1.0"
INSTRUCTIONS = (
    "Validated manufacturing tools over the plant's system of record. Toolsets: core (projects, machines, materials, "
    "specifications, people, any record), quality (control plans, sampling, inspection, PM plans), maintenance (due "
    "work, work orders, history, KPIs), procedures (SOPs, takt time), issues (report to close). A server may offer "
    "only some. Start with list_projects; nearly every tool takes `project`. Refer to records by id, and invent none. "
    "A refused call returns one JSON object with code, message, field, suggestion and alternatives: correct that field "
    "and call again. Writes are checked, read back and audited: first call with dry_run, show the person what would be "
    "stored, then call without it. An update needs the revision you read. confirmation_required means that a person "
    "decides: show them the message; never confirm for them. Records are also resources: plant://machines/MC-101."
)
