"""A document as the MES keeps it: text that a person reads there, and below it the same content as JSON.

The JSON also holds the drafts that this one replaced: the MES keeps one draft of a document and overwrites it, and here
every revision stays.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from mcp_server.domain.records import Document, PlanRow, QualityPlan, Sop

__all__ = ["HELD_FIELDS", "Content", "body_of", "content_of", "contents_in", "held"]

_FENCE = "\n```json shopfloor\n"
_END = "\n```\n"
_MOVING = frozenset({"id", "revision", "state", "signatures", "effective_on", "inspected_on", "review_reason"})
"""What the key says, and what changes while the content of a revision stays."""

HELD_FIELDS: Mapping[type[Document], tuple[str, ...]] = {
    kind: tuple(name for name in kind.model_fields if name not in _MOVING) for kind in (QualityPlan, Sop)
}


@dataclass(frozen=True, slots=True)
class Content:
    """What one revision says. `fields` are the values of `HELD_FIELDS` as JSON; `ended` is the state of one that was
    replaced.
    """

    kind: str
    id: str
    revision: int
    fields: Mapping[str, Any]
    ended: str | None = None


def held(value: Any) -> Any:  # noqa: ANN401 - any value of a record
    """A value of a record as the JSON below the text has it."""
    return to_jsonable_python(value)


def content_of(document: Document) -> Content:
    fields = {name: held(getattr(document, name)) for name in HELD_FIELDS[type(document)]}
    return Content(type(document).__name__, document.id, document.revision, fields)


def body_of(document: Document, replaced: Iterable[Content] = ()) -> str:
    """The body to send, after the drafts that it replaces."""
    text = _text(document)
    contents = [
        {"kind": c.kind, "id": c.id, "revision": c.revision, "ended": c.ended, "fields": dict(c.fields)}
        for c in (*replaced, content_of(document))
    ]
    kept = {"text_sha256": _digest(text), "revisions": contents}
    return f"{text}{_FENCE}{json.dumps(kept, ensure_ascii=False, indent=1)}{_END}"


def contents_in(body: str) -> tuple[Sequence[Content], bool]:
    """The revisions in a body, the oldest first, and whether its text is still the one that was sent.

    Without our JSON there are none.
    """
    text, fence, rest = body.rpartition(_FENCE)
    if not fence or not rest.endswith(_END):
        return (), False
    try:
        kept = json.loads(rest.removesuffix(_END))
        contents = [
            Content(c["kind"], c["id"], int(c["revision"]), dict(c["fields"]), c["ended"]) for c in kept["revisions"]
        ]
        return contents, kept["text_sha256"] == _digest(text)
    except (ValueError, LookupError, TypeError):
        return (), False


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(document: Document) -> str:
    lines = [f"# {document.title}", "", f"{document.noun.capitalize()} {document.id}, revision {document.revision}."]
    if document.change_reason:
        lines += ["", f"Reason for the change: {document.change_reason}"]
    match document:
        case QualityPlan():
            lines += _plan_lines(document)
        case Sop():
            lines += _procedure_lines(document)
        case _:
            raise TypeError(f"no text for a {document.noun}")
    return "\n".join((*lines, ""))


def _plan_lines(plan: QualityPlan) -> list[str]:
    facts = {
        "Project": plan.project,
        "Material": f"{plan.material_id}, revision {plan.material_revision}",
        "Phase": plan.phase.value,
        "Customer": plan.customer,
        "Core team": ", ".join(plan.core_team),
    }
    rows = [line for number, row in enumerate(plan.rows, 1) for line in ("", *_row_lines(number, row))]
    return ["", *_listed(facts), "", "## Characteristics", *rows]


def _row_lines(number: int, row: PlanRow) -> list[str]:
    facts = {
        "Operation": " ".join(filter(None, (row.operation, row.machine_id))),
        "Limits": _limits(row),
        "Class": row.special_class and row.special_class.value,
        "Measured by": _measured_by(row),
        "Sample": _sample(row),
        "Controlled by": row.control_method.value,
        "When out": f"{row.reaction_plan} ({row.reaction_owner})",
    }
    return [f"{number}. {row.characteristic or row.spec_id}", *(f"   {line}" for line in _listed(facts))]


def _measured_by(row: PlanRow) -> str | None:
    named = row.gauge_id is None or (row.technique is not None and row.gauge_id in row.technique)
    return row.technique if named else " ".join(filter(None, (row.technique, row.gauge_id)))


def _limits(row: PlanRow) -> str | None:
    told = {"from": row.lsl, "to": row.usl, "target": row.nominal}
    limits = [f"{word} {value:g}" for word, value in told.items() if value is not None]
    return " ".join((*limits, row.unit or "")).strip() if limits else None


def _sample(row: PlanRow) -> str:
    size = f"{row.sample_size} pieces" if row.sample_size else f"AQL {row.aql}" if row.aql else row.sampling.value
    return f"{size}, {row.frequency}"


def _procedure_lines(sop: Sop) -> list[str]:
    facts = {
        "Project": sop.project,
        "Workstation": sop.workstation,
        "Machines": ", ".join(sop.machine_ids),
        "Material": sop.material_id,
        "Protective equipment": ", ".join(sop.ppe),
        "Tools": ", ".join(sop.tools),
        "Training": ", ".join(sop.training),
        "Lockout": sop.loto_sop_id or sop.loto_not_required_reason,
    }
    hazards = [f"- {h.signal_word.value.upper()}: {h.hazard}. {h.consequence}. {h.avoidance}." for h in sop.hazards]
    sections = {
        "Purpose": [sop.purpose or ""],
        "Scope": [sop.scope or ""],
        "Hazards": hazards,
        "Steps": _step_lines(sop),
        "Reaction plan": [sop.reaction_plan or ""],
        "Records": [f"- {record}" for record in sop.records],
    }
    told = [line for name, lines in sections.items() if any(lines) for line in ("", f"## {name}", "", *lines)]
    return ["", *_listed(facts), *told]


def _step_lines(sop: Sop) -> list[str]:
    lines: list[str] = []
    for number, step in enumerate(sop.steps, 1):
        facts = {"Key point": step.key_point, "Check": step.check_spec_id, "Safety": step.safety}
        lines += [f"{number}. {step.text} ({step.time_s:g} s)", *(f"   {line}" for line in _listed(facts))]
    return lines


def _listed(facts: Mapping[str, str | None]) -> list[str]:
    return [f"- {name}: {value}" for name, value in facts.items() if value]
