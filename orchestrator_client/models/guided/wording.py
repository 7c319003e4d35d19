"""What the guided model says: questions, the summary, the result. Plain sentences made from the schema's own words."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator_client.dialogue.json_values import as_object, is_list, is_object, objects_in
from orchestrator_client.models.guided.answers import MOST_SHOWN, are_numbered, bound
from orchestrator_client.models.guided.form import Field, Form, Option, pattern_of

__all__ = ["finished", "label_of", "lines_of", "question", "summary"]

_ITEM = re.compile(r"(\w+)\[(\d+)\]\.?")


def label_of(path: str) -> str:
    """`rows[1].spec_id` -> `Row 2 · Spec id`."""
    words: list[str] = []
    for name, index in _ITEM.findall(path):
        words.append(f"{_readable(name).removesuffix('s')} {int(index) + 1}")
    rest = _ITEM.sub("", path)
    if rest:
        words.append(_readable(rest))
    return " · ".join(words)


def question(form: Form, field: Field, options: Sequence[Option], default: Any) -> str:  # noqa: ANN401 - a value of any field
    """The question for one field, with its choices and how to answer."""
    if field.more:
        item = _readable(field.name).removesuffix("s").lower()
        return _with_problem(form, f"Another {item}? (yes / no)")
    description = field.schema.get("description", "")
    head = f"{label_of(field.path)}: {description}" if description else label_of(field.path)
    lines = [head, *_option_lines(options)]
    ways = [*_ways(field, options)]
    if default is not None:
        ways.append(f"Enter for {default}")
    if not field.required:
        ways.append("- to leave it out")
    if ways:
        lines.append(f"({'; '.join(ways)})")
    return _with_problem(form, "\n".join(lines))


def summary(form: Form, title: str) -> str:
    """Everything that was filled in, numbered, and what can be answered now."""
    numbered = [f"  {number:2d}  {label}: {value}" for number, (_, label, value) in enumerate(lines_of(form), start=1)]
    warnings = [f"Note: {warning}" for warning in form.warnings]
    head = f"{title}: nothing is stored yet."
    if form.problem:
        head = f"{title}: {form.problem}"
    elif form.checked:
        head = f"{title}: the server has checked this and would accept it. Nothing is stored yet."
    ways = "Answer yes to store it, the number of a line to change it, or no to think again."
    if form.stage == "change":
        ways = "Answer the number of the line to change, or yes to try again."
    more = "".join(f" add: another {_readable(path).removesuffix('s').lower()}." for path in form.closed_lists[:1])
    return "\n".join([head, *numbered, *warnings, f"{ways}{more} /cancel gives it up."])


def lines_of(form: Form) -> list[tuple[str, str, str]]:
    """Path, label and value of every field that was filled in."""
    return [(path, label_of(path), value) for path, value in _leaves(form.values, "")]


def finished(tool_title: str, answer: dict[str, Any]) -> str:
    """The result of the goal tool in words."""
    if isinstance(answer.get("items"), list):
        shown = len(answer["items"])
        return f"{tool_title}: {answer.get('total', shown)} found{'' if shown else '. There is nothing to show'}."
    record = as_object(answer.get("record"))
    if record:
        name = record.get("title") or record.get("name") or ""
        lines = [f"{_readable(str(answer.get('status', 'done')))}: {record.get('id', '')} {name}".rstrip() + "."]
    else:
        plain = {name: value for name, value in answer.items() if not isinstance(value, list | dict)}
        lines = [f"{tool_title}:", *(f"  {_readable(name)}: {value}" for name, value in plain.items())]
    checked = as_object(answer.get("verification")).get("fields_checked")
    if checked:
        lines.append(f"It was read back from the system of record: {checked} values compared, no difference.")
    lines += [f"Note: {warning}" for warning in answer.get("warnings", ())]
    return "\n".join(lines)


def _option_lines(options: Sequence[Option]) -> Iterator[str]:
    width = max((len(str(option.value)) for option in options), default=0)
    numbered = are_numbered(options)
    for number, option in enumerate(options[:MOST_SHOWN], start=1):
        place = f"{number:2d}" if numbered else " "
        yield f"  {place}  {option.value!s:<{width}}  {option.label}".rstrip()
    if len(options) > MOST_SHOWN:
        yield f"  … and {len(options) - MOST_SHOWN} more; type part of the name"


def _ways(field: Field, options: Sequence[Option]) -> Iterator[str]:
    schema = field.schema
    kind = schema.get("type")
    if options:
        yield "number or name" if are_numbered(options) else "one of these"
    elif kind in {"integer", "number"}:
        low, high = schema.get("minimum"), schema.get("maximum")
        yield "a number" + (f" from {bound(low)} to {bound(high)}" if low is not None and high is not None else "")
    elif kind == "boolean":
        yield "yes or no"
    elif kind == "object":
        yield "as JSON"
    if kind == "array":
        yield "several, separated by commas"


def _with_problem(form: Form, text: str) -> str:
    return f"{form.problem}\n{text}" if form.problem else text


def _readable(name: str) -> str:
    words = pattern_of(name).replace("[]", "").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON of any shape
    if is_object(value):
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else name)
    elif is_list(value) and objects_in(value):
        for position, part in enumerate(value):
            yield from _leaves(part, f"{path}[{position}]")
    elif is_list(value):
        yield path, ", ".join(map(str, value))
    elif value is not None:
        yield path, str(value)
