"""What a field may be: the choices a look-up brought, and the answer that needs no question. Pure."""

from typing import Any

from orchestrator_client.dialogue.json_values import as_list, as_object, objects_in
from orchestrator_client.models.guided.answers import folded
from orchestrator_client.models.guided.form import Field, Form, Option, named_values, value_at
from orchestrator_client.models.guided.mentions import is_mentioned, is_said
from orchestrator_client.models.guided.wording import noted
from orchestrator_client.models.protocol import ChoiceSource, Goal

__all__ = ["choices_in", "guess", "options_of", "same_as_before"]


def choices_in(answer: dict[str, Any], choice: ChoiceSource) -> tuple[tuple[Option, ...], bool]:
    """The choices in a look-up's answer, and whether there are more than those."""
    items = objects_in(answer.get("items", [answer]))
    options = tuple(_option(item, choice) for item in items if _fits(item, choice))
    total = answer.get("total")
    return options, bool(answer.get("next_cursor")) or (isinstance(total, int) and total > len(items))


def options_of(form: Form, field: Field, goal: Goal) -> tuple[Option, ...]:
    """The values the open field can take, as far as they are known."""
    if field.choice is not None:
        return form.looked_up or ()
    schema = field.schema if field.schema.get("type") != "array" else as_object(field.schema.get("items"))
    values = as_list(schema.get("enum")) or named_values(field, goal)
    return tuple(Option(value=value) for value in values)


def guess(form: Form, field: Field, options: tuple[Option, ...], known: dict[str, Any]) -> Any:  # noqa: ANN401 - a value of any field
    """A value that needs no question: the only one there is, named in the opening message, or known before."""
    if field.choice is not None and not field.choice.ask:
        return options[0].value if len(options) == 1 else None
    if "[" in field.path:
        return None
    if field.schema.get("type") == "boolean":
        return True if field.quiet and is_said(form.opening, field.name.removesuffix("_only")) else None
    said = [
        option.value
        for option in options
        if is_mentioned(form.opening, field=field.name, value=str(option.value), label=option.label)
    ]
    if field.schema.get("type") == "array":
        return said or None
    before = known.get(field.path)
    if said or before is None:
        return said[0] if len(said) == 1 else None
    asked = folded(str(before))
    fitting = [o.value for o in options if asked in {folded(str(o.value)), folded(o.label)}]
    return fitting[0] if fitting else None if options else before


def same_as_before(form: Form, field: Field) -> Any:  # noqa: ANN401 - a value of any field
    """In a later item of a list, the same as in the item before, unless the field is what tells items apart."""
    if field.choice is not None or not field.path.partition("]")[2] or field.tells_apart or not field.required:
        return None
    head, _, rest = field.path.partition("[")
    index, _, tail = rest.partition("]")
    return value_at(form.values, f"{head}[{int(index) - 1}]{tail}") if int(index) > 0 else None


def _option(item: dict[str, Any], choice: ChoiceSource) -> Option:
    return Option(
        value=item[choice.value],
        label=str(item.get(choice.label, "")) if choice.label else "",
        note=", ".join(filter(None, (noted(name, item.get(name)) for name in choice.notes))),
        time_zone=item.get(choice.time_zone) if choice.time_zone else None,
    )


def _fits(item: dict[str, Any], choice: ChoiceSource) -> bool:
    return choice.value in item and all(item.get(name) in values for name, values in choice.where.items())
