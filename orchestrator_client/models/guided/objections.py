"""What the server objects to, for the person: the words, the field to ask for again, and the ways to keep it. Pure."""

import re
from dataclasses import dataclass
from typing import Any

from orchestrator_client.dialogue.json_values import as_list, as_object
from orchestrator_client.dialogue.messages import ToolResultBlock
from orchestrator_client.models.guided.answers import Problem, read_answer
from orchestrator_client.models.guided.form import Field, Form, field_at, with_value
from orchestrator_client.models.protocol import Goal

__all__ = ["Objection", "kept_with", "objection"]

_LAST_ITEM = re.compile(r"\[\d+\]$")
_WORDS_SHOWN = 500
_NEVER_OFFERED = "dry_run"


@dataclass(frozen=True, slots=True)
class Objection:
    """`path` is None where the server names no field that can be asked for. `offered` are fields that let it stay."""

    text: str
    path: str | None
    offered: tuple[str, ...]


def objection(form: Form, goal: Goal, schema: dict[str, Any], result: ToolResultBlock) -> Objection:
    """What a refused call means for the form."""
    error = as_object((result.structured or {}).get("error")) or {"message": result.content[:_WORDS_SHOWN]}
    said = " ".join(filter(None, (str(error.get(part) or "") for part in ("message", "suggestion"))))
    near = [name for name in map(str, as_list(error.get("alternatives"))) if name not in said]
    lines = [said or "The tool failed.", *(f"  - {also}" for also in as_list(error.get("also")))]
    if near:
        lines[0] += f" Close to it: {', '.join(near)}."
    path = _askable(str(error.get("field") or ""), goal, schema)
    offered = _offered(said, form, schema, path)
    lines += [f"To keep it, answer {name}: {_answer_to(schema, name)}." for name in offered]
    return Objection("\n".join(lines), path, offered)


def kept_with(form: Form, schema: dict[str, Any], path: str, answer: str) -> dict[str, Any] | Problem | None:
    """The values with the refused one and, `field: answer`, what the server wants for it; None for another answer."""
    name, colon, given = (part.strip() for part in answer.partition(":"))
    if not (colon and name in form.offered and given):
        return None
    value = read_answer(Field(name, _part(schema, name), required=True), (), given)
    if isinstance(value, Problem):
        return value
    return with_value(with_value(form.values, path, form.refused), name, value)


def _askable(path: str, goal: Goal, schema: dict[str, Any]) -> str | None:
    """The field to ask for again. A list of plain values is one answer, so its item stands for the whole."""
    whole = _LAST_ITEM.sub("", path)
    return whole if whole and field_at(whole, goal, schema) is not None else None


def _offered(text: str, form: Form, schema: dict[str, Any], path: str | None) -> tuple[str, ...]:
    """Optional fields that the server asks for in its answer: a reason in the person's words, or their yes."""
    if path is None:
        return ()
    return tuple(
        name
        for name in as_object(schema.get("properties"))
        if "_" in name
        and name in text
        and name not in {path, _NEVER_OFFERED}
        and form.values.get(name) is None
        and (_is_text(_part(schema, name)) or _is_yes_or_no(_part(schema, name)))
    )


def _answer_to(schema: dict[str, Any], name: str) -> str:
    return "yes" if _is_yes_or_no(_part(schema, name)) else "and your words"


def _part(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return as_object(as_object(schema.get("properties")).get(name))


def _is_text(part: dict[str, Any]) -> bool:
    return part.get("type") == "string" and "enum" not in part and "format" not in part


def _is_yes_or_no(part: dict[str, Any]) -> bool:
    return part.get("type") == "boolean"
