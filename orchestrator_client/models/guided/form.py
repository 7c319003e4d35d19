"""The form behind a goal tool's JSON Schema: which fields it has, which is next, and what was filled in. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict

from orchestrator_client.context.task_context import references
from orchestrator_client.dialogue.json_values import as_list, as_object, is_list, is_object
from orchestrator_client.models.guided.schema import is_list_of_objects, is_object_with_fields
from orchestrator_client.models.protocol import ChoiceSource, Goal

__all__ = [
    "Field",
    "Form",
    "Option",
    "Stage",
    "field_at",
    "named_values",
    "next_field",
    "pattern_of",
    "value_at",
    "with_value",
    "without_idle",
]

Stage = Literal["goal", "fields", "check", "confirm", "change", "call", "done"]
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class Option(BaseModel):
    """An allowed value, what a person knows it by, and what helps to choose it."""

    model_config = ConfigDict(frozen=True)

    value: Any
    label: str = ""
    note: str = ""
    time_zone: str | None = None


class Form(BaseModel):
    """Everything the guided model has to remember between two messages; it travels in the conversation.

    `asking` is the path of the open question, or of a list (`rows[]`) when the question is whether to add another item.
    `demanded` are paths to be asked for again, whatever the schema says. `looked_up` holds the choices of the open
    question, `partial` says that there are more than those, `checked` that the server would accept what was filled in.
    `time_zone` is the one in which times are meant, once it is known. `offered` are fields the server has named as a
    way out for `refused`, the value that it did not take.
    A value of None is one to be asked for again; it keeps its place in the summary.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Stage = "goal"
    goal: str | None = None
    opening: str = ""
    values: dict[str, Any] = {}
    skipped: tuple[str, ...] = ()
    demanded: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    closed_lists: tuple[str, ...] = ()
    asking: str | None = None
    looked_up: tuple[Option, ...] | None = None
    partial: bool = False
    checked: bool = False
    time_zone: str | None = None
    offered: tuple[str, ...] = ()
    refused: Any = None
    problem: str = ""
    warnings: tuple[str, ...] = ()
    calls: int = 0

    @property
    def arguments(self) -> dict[str, Any]:
        """The values as the tool takes them."""
        filled: dict[str, Any] = _without_none(self.values)
        return filled

    def but(self, **changes: Any) -> "Form":  # noqa: ANN401 - any field of the form
        return self.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class Field:
    """A place in the form.

    `more` marks the question whether a list gets another item. `tells_apart` is what an item of a list is known by.
    `quiet` fields are never asked, only taken from what was said.
    """

    path: str
    schema: dict[str, Any]
    required: bool
    choice: ChoiceSource | None = None
    more: bool = False
    tells_apart: bool = False
    quiet: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2].removesuffix("[]")


def next_field(form: Form, goal: Goal, schema: dict[str, Any]) -> Field | None:
    """The first field that still needs an answer, in the order of the schema; before it, what its choices depend on."""
    still_open = list(_open_fields(form, goal, schema, ""))
    paths = {field.path for field in still_open}
    return next((field for field in still_open if not (paths & _needed_for(field))), next(iter(still_open), None))


def field_at(path: str, goal: Goal, schema: dict[str, Any]) -> Field | None:
    """The field a path names; None if the schema has no such field, or it is made of fields itself."""
    here = schema
    for name, index in _STEP.findall(path):
        here = as_object(here.get("items") if index else as_object(here.get("properties")).get(name))
    if not here or is_list_of_objects(here) or is_object_with_fields(here):
        return None
    return Field(path, here, required=True, choice=goal.choices.get(pattern_of(path)))


def pattern_of(path: str) -> str:
    """`rows[3].spec_id` -> `rows[].spec_id`."""
    return re.sub(r"\[\d+\]", "[]", path)


def named_values(field: Field, goal: Goal) -> list[str]:
    """The words that other fields wait for in this one: what it may be, where its schema does not list them."""
    parent, _, name = pattern_of(field.path).rpartition(".")
    if field.schema.get("type") != "string":
        return []
    waited = (ask.when.get(name) for ask in goal.ask if ask.when and ask.path.rpartition(".")[0] == parent)
    words = (word for wanted in waited for word in _listed(wanted))
    return list(dict.fromkeys(word for word in words if isinstance(word, str)))


def value_at(values: Any, path: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """The value at a path, or None."""
    for name, index in _STEP.findall(path):
        try:
            values = values[int(index)] if index else values[name]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def with_value(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON of any shape
    """A copy with the value set; lists and objects on the way are made as needed."""
    steps = [int(index) if index else name for name, index in _STEP.findall(path)]
    changed: dict[str, Any] = _set(values, steps, value)
    return changed


def without_idle(values: dict[str, Any], goal: Goal) -> dict[str, Any]:
    """The values without those that were asked for under a condition that does not hold any more."""
    for ask in goal.ask:
        if ask.when:
            parent, _, name = ask.path.rpartition(".")
            for place in _places(values, parent):
                path = f"{place}.{name}" if place else name
                if value_at(values, path) is not None and not _fits(ask.when, value_at(values, place)):
                    values = with_value(values, path, None)
    return values


def _places(values: dict[str, Any], pattern: str) -> list[str]:
    """Every path that `rows[]` stands for in these values; a pattern without `[]` stands for itself."""
    head, lists, tail = pattern.partition("[]")
    if not lists:
        return [pattern]
    count = len(as_list(value_at(values, head)))
    return [place for position in range(count) for place in _places(values, f"{head}[{position}]{tail}")]


def _fits(when: dict[str, Any], siblings: Any) -> bool:  # noqa: ANN401 - JSON of any shape
    """Whether the fields have these values; a tuple means one of them."""
    given = as_object(siblings)
    return all(
        given.get(name) in value if isinstance(value, tuple) else given.get(name) == value
        for name, value in when.items()
    )


def _listed(wanted: Any) -> tuple[Any, ...]:  # noqa: ANN401 - JSON of any shape
    """What a condition waits for: one value, or a tuple of them."""
    if not isinstance(wanted, tuple):
        return (wanted,)
    return cast("tuple[Any, ...]", wanted)  # isinstance leaves its type argument unknown


def _open_fields(form: Form, goal: Goal, schema: dict[str, Any], prefix: str) -> Iterator[Field]:
    required = set(schema.get("required", ()))
    asked = {ask.path: ask for ask in goal.ask}
    siblings = value_at(form.values, prefix.rstrip(".")) if prefix else form.values
    for name, part in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        ask = asked.get(pattern_of(path))
        fits = ask is not None and _fits(ask.when, siblings)
        needed = name in required or (fits and ask is not None and ask.must_be_answered)
        if not (needed or fits or _is_demanded(form, path)):
            continue
        if is_list_of_objects(part):
            yield from _open_items(form, goal, part, path, needed=needed)
        elif is_object_with_fields(part):
            yield from _open_fields(form, goal, part, f"{path}.")
        elif value_at(form.values, path) is None and (needed or path not in form.skipped):
            tells_apart = bool(prefix) and name == next(iter(schema.get("required", ())), None) and "enum" not in part
            quiet = ask is not None and ask.only_if_named and not _is_demanded(form, path)
            choice = goal.choices.get(pattern_of(path))
            yield Field(path, part, needed, choice, tells_apart=tells_apart, quiet=quiet)


def _needed_for(field: Field) -> set[str]:
    return references(field.choice.arguments) - {field.path} if field.choice else set()


def _is_demanded(form: Form, path: str) -> bool:
    """Whether this field, or one inside it, is to be asked for."""
    return any(wanted == path or wanted.startswith((f"{path}.", f"{path}[")) for wanted in form.demanded)


def _open_items(form: Form, goal: Goal, schema: dict[str, Any], path: str, *, needed: bool) -> Iterator[Field]:
    """The fields of every item, and whether there is another. An optional list begins with whether there is one."""
    count = max(len(as_list(value_at(form.values, path))), schema.get("minItems", 0), 1 if needed else 0)
    for position in range(count):
        yield from _open_fields(form, goal, schema["items"], f"{path}[{position}].")
    if path not in form.closed_lists and count < schema.get("maxItems", 1000):
        yield Field(f"{path}[]", schema, required=True, more=True)


def _set(here: Any, steps: list[str | int], value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = list(as_list(here))
        items += [{} for _ in range(step + 1 - len(items))]
        items[step] = _set(items[step], rest, value)
        return items
    fields = as_object(here)
    return {**fields, step: _set(fields.get(step), rest, value)}


def _without_none(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    if is_object(value):
        return {name: _without_none(part) for name, part in value.items() if part is not None}
    return [_without_none(part) for part in value] if is_list(value) else value
