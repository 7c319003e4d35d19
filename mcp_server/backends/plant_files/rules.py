"""What several cells or files must agree on. The rules run once every cell is right by itself."""

from collections import Counter
from collections.abc import Iterator, Sequence

from mcp_server.backends.plant_files.tables import Place, Tables, WrongCell
from mcp_server.domain.limits import are_reversed
from mcp_server.domain.records import DocumentState, WorkOrderState, document_key

__all__ = ["broken_rules"]

_BEING_WORKED_ON = (DocumentState.DRAFT, DocumentState.IN_REVIEW, DocumentState.APPROVED)


def broken_rules(tables: Tables) -> Iterator[WrongCell]:
    if not tables["projects"]:
        yield WrongCell("projects.csv", None, None, "There is no project in it. Write at least one row.")
    yield from _limits(tables["specs"])
    yield from _intervals(tables["pm_plans"])
    yield from _revisions(tables["quality_plans"])
    yield from _planned_twice(tables["work_orders"])
    yield from _checklist_items(tables)
    yield from _checked_items(tables)


def _limits(specs: Sequence[Place]) -> Iterator[WrongCell]:
    for place in specs:
        lsl, usl = (float(text) if (text := place.values[name]) else None for name in ("lsl", "usl"))
        if are_reversed(lsl, usl):
            yield WrongCell("specs.csv", place.line, "lsl", f"{lsl:g} is not below usl, {usl:g}. Correct one of them.")


def _intervals(tasks: Sequence[Place]) -> Iterator[WrongCell]:
    for place in tasks:
        if place.values["trigger"] == "calendar" and place.values["unit"] != "d":
            told = f"{place.values['unit']!r} is not right. For a calendar, write d, and the interval in days."
            yield WrongCell("pm_plans.csv", place.line, "unit", told)


def _revisions(plans: Sequence[Place]) -> Iterator[WrongCell]:
    """One revision of a document is in force, and one is being worked on."""
    seen = Counter[tuple[str, bool]]()
    for place in plans:
        state = place.values["state"]
        if state != DocumentState.RELEASED and state not in _BEING_WORKED_ON:
            continue
        open_one = state in _BEING_WORKED_ON
        seen[place.values["id"], open_one] += 1
        if seen[place.values["id"], open_one] > 1:
            what = "being worked on" if open_one else "released"
            told = f"Another revision of {place.values['id']} is {what}, too. Write superseded for the older one."
            yield WrongCell("quality_plans.csv", place.line, "state", told)


def _planned_twice(orders: Sequence[Place]) -> Iterator[WrongCell]:
    planned = set[str]()
    for place in orders:
        task = place.values["task_id"]
        if task and place.values["state"] == WorkOrderState.PLANNED:
            if task in planned:
                told = f"Another order for {task} is planned, too. Keep one of them."
                yield WrongCell("work_orders.csv", place.line, "task_id", told)
            planned.add(task)


def _checklist_items(tables: Tables) -> Iterator[WrongCell]:
    """An item names a row of its checklist's control plan; without a plan, it names a specification."""
    plans = {place.values["id"]: place.values["plan_id"] for place in tables["checklists"]}
    rows = Counter(place.values["plan_key"] for place in tables["quality_plan_rows"])
    revisions = [(place.values["id"], int(place.values["revision"])) for place in tables["quality_plans"]]
    latest = {plan: rows[document_key(plan, revision)] for plan, revision in revisions}
    for place in tables["checklist_items"]:
        plan, row = plans[place.values["checklist_id"]], place.values["plan_row"]
        if plan and not row:
            told = f"It is empty. Write which row of {plan} the item is, from 1 on."
        elif plan and int(row) > latest.get(plan, 0):
            told = f"{row} is too much: {plan} has {latest.get(plan, 0)} rows."
        elif row and not plan:
            told = "The checklist has no control plan. Leave it empty, and write spec_id, sample_size and frequency."
        else:
            continue
        yield WrongCell("checklist_items.csv", place.line, "plan_row", told)


def _checked_items(tables: Tables) -> Iterator[WrongCell]:
    items = Counter(place.values["checklist_id"] for place in tables["checklist_items"])
    for place in tables["inspection_results"]:
        checklist, item = place.values["checklist_id"], int(place.values["checklist_item"])
        if item > items[checklist]:
            told = f"{item} is too much: {checklist} has {items[checklist]} items."
            yield WrongCell("inspection_results.csv", place.line, "checklist_item", told)
