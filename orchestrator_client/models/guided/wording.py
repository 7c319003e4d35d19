"""What the guided model says: questions, the summary, the result. Plain sentences made from the schema's own words."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from orchestrator_client.dialogue.json_values import as_object, is_list, is_object, objects_in
from orchestrator_client.models.guided.answers import MOST_SHOWN, are_numbered, bound
from orchestrator_client.models.guided.form import Field, Form, Option, pattern_of, value_at

__all__ = ["finished", "first_sentence", "label_of", "lines_of", "noted", "nothing_to_choose", "question", "summary"]

_ENVELOPE = frozenset(
    ("total", "next_cursor", "as_of", "source", "dry_run", "replayed", "verification", "warnings", "audit_id", "record")
)
_ISO = re.compile(r"^(ISO 8601 )?with offset(; )?", re.IGNORECASE)
_EXAMPLE = re.compile(r"^e\.g\. \S+$")
_UNIT = re.compile(r"_(s|min|h|mm|pct)$")
_UNITS = {"pct": "%"}
_SHORT_NAMES = re.compile(r"^(mtbf|mttr|pm|kpis)\b", re.IGNORECASE)
_PLURAL = re.compile(r"s\b")
_ITEM = re.compile(r"(\w+)\[(\d+)\]\.?")
_SENTENCE_END = re.compile(r"(?<=\.)\s")
_LONGEST_LABEL = 120
_MOST_REPEATED = 8
"""Options that are listed again after an answer that was none of them."""


def label_of(path: str) -> str:
    """`rows[1].spec_id` -> `Row 2 · Spec id`."""
    words: list[str] = []
    for name, index in _ITEM.findall(path):
        words.append(f"{_one_of(name)} {int(index) + 1}")
    rest = _ITEM.sub("", path)
    if rest:
        words.append(_readable(rest))
    return " · ".join(words)


def question(
    form: Form,
    field: Field,
    options: Sequence[Option],
    default: Any,  # noqa: ANN401 - a value of any field
    *,
    again: bool = False,
) -> str:
    """The question for one field, with its choices and how to answer. `again`: it was shown just before, with them."""
    if field.more:
        item = _one_of(field.name).lower()
        first = not value_at(form.values, field.path.removesuffix("[]"))
        return _with_problem(form, f"{f'Add a {item}' if first else f'Another {item}'}? (yes / no)")
    description = _ISO.sub("", field.schema.get("description", ""))
    if options and _EXAMPLE.match(description):
        description = ""
    head = f"{label_of(field.path)}: {description}" if description else label_of(field.path)
    shortened = again and len(options) > _MOST_REPEATED
    lines = [head, *(() if shortened else _option_lines(options))]
    ways = [*_ways(field, options, form.time_zone), *(["? shows the list"] if shortened else [])]
    if default is not None:
        ways.append(f"Enter for {said(default)}")
    if not field.required:
        usual = field.schema.get("default")
        ways.append("- to leave it out" if usual in {None, False} else f"- for {said(usual)}")
    if form.problem:
        ways.append("/cancel gives it up")
    if ways:
        lines.append(f"({'; '.join(ways)})")
    return _with_problem(form, "\n".join(lines))


def nothing_to_choose(reasons: Iterable[object]) -> str:
    """Why a field has no choices, instead of its question."""
    return "\n".join([*map(str, reasons), "(anything to look again; /cancel gives it up)"])


def first_sentence(text: str) -> str:
    """What a tool is for, in one line."""
    sentence = _SENTENCE_END.split(" ".join(text.split()), maxsplit=1)[0]
    return sentence if len(sentence) <= _LONGEST_LABEL else f"{sentence[:_LONGEST_LABEL]}…"


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
    more = "".join(f" add: another {_one_of(path).lower()}." for path in form.closed_lists[:1])
    return "\n".join([head, *numbered, *warnings, f"{ways}{more} /cancel gives it up."])


def lines_of(form: Form) -> list[tuple[str, str, str]]:
    """Path, label and value of every field that was filled in."""
    return [(path, label_of(path), value) for path, value in _leaves(form.values, "")]


def finished(tool_title: str, answer: dict[str, Any]) -> str:
    """The result of the goal tool in words."""
    if isinstance(answer.get("items"), list):
        shown = len(answer["items"])
        lines = [f"{tool_title}: {answer.get('total', shown)} found{'' if shown else '. There is nothing to show'}."]
    elif record := as_object(answer.get("record")):
        name = record.get("title") or record.get("name") or ""
        lines = [f"{_readable(str(answer.get('status', 'done')))}: {record.get('id', '')} {name}".rstrip() + "."]
    else:
        lines = [f"{tool_title}:"]
    told = {"status"} if "record" in answer else set[str]()
    lines += [f"  {line}" for line in _facts(answer, told)]
    checked = as_object(answer.get("verification")).get("fields_checked")
    if checked:
        lines.append(f"It was read back from the system of record: {checked} values compared, no difference.")
    lines += [f"Note: {warning}" for warning in answer.get("warnings", ())]
    return "\n".join(lines)


def noted(name: str, value: Any) -> str:  # noqa: ANN401 - JSON of any shape
    """A value beside an option; a figure says what it is."""
    text = _short(value)
    if not text or not isinstance(value, int | float):
        return text
    unit = _UNIT.search(name)
    return f"{_readable(_UNIT.sub('', name)).lower()} {text}" + (f" {_UNITS.get(unit[1], unit[1])}" if unit else "")


def _short(value: Any) -> str:  # noqa: ANN401 - JSON of any shape
    """A value in one line; nothing for what is not there."""
    if is_list(value):
        return ", ".join(filter(None, map(_short, value)))
    if is_object(value) and "definition" in value:
        return _figure(value)
    if is_object(value):
        return ", ".join(f"{_readable(name).lower()} {_short(part)}" for name, part in value.items() if _short(part))
    if value is None:
        return ""
    return said(value)


def _figure(figure: dict[str, Any]) -> str:
    """A key figure: its value or why there is none, what it was made of, and what it means."""
    value, unit = figure.get("value"), figure.get("unit")
    made_of = tuple(figure.get(part) for part in ("numerator", "denominator"))
    if value is None:
        text = f"none, {figure.get('reason') or 'there is nothing to count'}"
    else:
        text = f"{100 * value:.1f} %" if unit == "share" else f"{value:.1f} {unit or ''}".rstrip()
        if None not in made_of:
            text += f" ({' / '.join(f'{part:.1f}'.removesuffix('.0') for part in made_of)})"
    return f"{text}. {figure['definition']}"


def said(value: Any) -> str:  # noqa: ANN401 - a plain value
    """A plain value as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _facts(answer: dict[str, Any], told: Collection[str]) -> Iterator[str]:
    """What an answer says beside its records; lists of records are shown as tables."""
    for name, value in answer.items():
        if name not in _ENVELOPE and name not in told and not objects_in(value) and (text := _short(value)):
            yield f"{_readable(name)}: {text}"


def _option_lines(options: Sequence[Option]) -> Iterator[str]:
    width = max((len(str(option.value)) for option in options), default=0)
    numbered = are_numbered(options)
    for number, option in enumerate(options[:MOST_SHOWN], start=1):
        place = f"{number:2d}" if numbered else " "
        note = f" ({option.note})" if option.note else ""
        yield f"  {place}  {option.value!s:<{width}}  {option.label}{note}".rstrip()
    if len(options) > MOST_SHOWN:
        yield f"  … and {len(options) - MOST_SHOWN} more; type part of the name"


def _ways(field: Field, options: Sequence[Option], time_zone: str | None) -> Iterator[str]:
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
    elif schema.get("format") == "date":
        yield "such as 2026-11-24, tomorrow or friday"
    elif schema.get("format") == "date-time":
        yield f"such as 2026-11-24 14:00 or tomorrow 14:00{f', {time_zone} time' if time_zone else ''}"
    if kind == "array":
        yield "several, separated by commas, or by ; where they hold commas"


def _with_problem(form: Form, text: str) -> str:
    return f"{form.problem}\n{text}" if form.problem else text


def _readable(name: str) -> str:
    bare = pattern_of(name).replace("[]", "")
    words = _UNIT.sub(lambda unit: f" ({_UNITS.get(unit[1], unit[1])})", bare).replace("_", " ").strip()
    return _SHORT_NAMES.sub(lambda name: name[0].upper(), words[:1].upper() + words[1:])


def _one_of(name: str) -> str:
    """`rows` -> `Row`, `parts_used` -> `Part used`."""
    words = _readable(name)
    return words.removesuffix("s") if words.endswith("s") else _PLURAL.sub("", words, count=1)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON of any shape
    if is_object(value):
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else name)
    elif is_list(value) and objects_in(value):
        for position, part in enumerate(value):
            yield from _leaves(part, f"{path}[{position}]")
    elif is_list(value):
        yield path, ", ".join(map(said, value))
    elif value is not None:
        yield path, said(value)
