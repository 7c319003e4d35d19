"""Reads a person's answer to one question: a value that fits the field's schema, or what is wrong with it."""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from orchestrator_client.dialogue.choices import place_in
from orchestrator_client.dialogue.confirmation import YES
from orchestrator_client.dialogue.json_values import as_object, is_object
from orchestrator_client.models.guided.form import Field, Option
from orchestrator_client.models.guided.times import Here, day_from, moment_from

__all__ = [
    "LEFT_OUT",
    "MOST_SHOWN",
    "NO",
    "SKIP",
    "Problem",
    "are_numbered",
    "bound",
    "folded",
    "read_answer",
    "read_choice",
    "word",
]

NO = frozenset({"n", "no", "nope", "false"})
LEFT_OUT = "-"
SKIP = frozenset({LEFT_OUT, "skip", "none"})

MOST_SHOWN = 40
"""Options listed in a question; the others are found by name."""

_MOST_NAMED = 5
_LONGEST_NUMBER = 9
_NOWHERE = Here()
_READERS = {"date": day_from, "date-time": moment_from}
_WHOLE = re.compile(r"[+-]?\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an answer cannot be used, as a sentence."""

    text: str


def word(answer: str) -> str:
    """An answer of one word, without case and final punctuation: `Yes.` is yes."""
    return answer.strip().casefold().rstrip(".!").strip()


def bound(value: float) -> str:
    """A limit as a person writes it: never `1e+09`."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def folded(text: str) -> str:
    """`SPC chart` and `spc_chart` are the same answer."""
    return text.casefold().replace("_", " ").strip()


def read_answer(
    field: Field, options: Sequence[Option], answer: str, *, partial: bool = False, here: Here = _NOWHERE
) -> Any | Problem:  # noqa: ANN401 - a value of any field
    """The value the answer means for this field. `partial` says that values beyond the options exist."""
    text = answer.strip()
    if not text:
        return Problem("This needs an answer.")
    if field.schema.get("type") == "array":
        return _several(field.schema, options, text, partial=partial)
    if not options and field.schema.get("format") in _READERS:
        return _time(_READERS[field.schema["format"]], text, here)
    return _one(field.schema, options, text, partial=partial)


def are_numbered(options: Sequence[Option]) -> bool:
    """Whether an option can be chosen by its place; where options are numbers themselves, `4` would mean two things."""
    return not all(_figure(str(option.value)) is not None for option in options)


def read_choice(options: Sequence[Option], text: str) -> Any | Problem:  # noqa: ANN401 - a value of any field
    """The option meant by its value, its number, its label, or a part of them that only one has."""
    asked = folded(text)
    figure = _figure(text)
    for option in options:
        if asked == folded(str(option.value)) or (figure is not None and figure == _figure(str(option.value))):
            return option.value
    if text.isdecimal() and are_numbered(options):
        place = place_in(text, min(len(options), MOST_SHOWN))
        return options[place - 1].value if place else _no_number(text)
    exact = [option for option in options if option.label and asked == folded(option.label)]
    found = exact or [o for o in options if asked and asked in folded(f"{o.value} {o.label}") and figure is None]
    if len(found) == 1:
        return found[0].value
    if found:
        return Problem(f"{_quoted(text)} fits several: {_listed(found)}. Which one?")
    names = {str(option.value): option for option in options} | {o.label: o for o in options if o.label}
    close = {str(names[name].value): names[name] for name in get_close_matches(text[:80], names, n=3, cutoff=0.5)}
    hint = f" Did you mean {_listed(close.values())}?" if close else ""
    return Problem(f"{_quoted(text)} is not in the list.{hint}")


def _one(schema: dict[str, Any], options: Sequence[Option], text: str, *, partial: bool = False) -> Any | Problem:  # noqa: ANN401 - a value of any field
    if options:
        chosen = read_choice(options, text)
        if not (partial and isinstance(chosen, Problem)):
            return chosen
    match schema.get("type"):
        case "boolean":
            return _boolean(text)
        case "integer":
            return _number(schema, text, whole=True)
        case "number":
            return _number(schema, text, whole=False)
        case "array" | "object":
            return _json(schema, text)
        case _:
            return _text(schema, text)


def _time(read: Callable[[str, Here], str], text: str, here: Here) -> str | Problem:
    try:
        return read(text, here)
    except ValueError as wrong:
        return Problem(str(wrong))


def _boolean(text: str) -> bool | Problem:
    if word(text) in YES:
        return True
    return False if word(text) in NO else Problem("Please answer yes or no.")


def _number(schema: dict[str, Any], text: str, *, whole: bool) -> float | Problem:
    if _THOUSANDS.fullmatch(text):
        return Problem(f"{_quoted(text)} can be read in two ways; write it without the comma.")
    value = _figure(text)
    if value is None or (whole and not value.is_integer()):
        return Problem(f"{_quoted(text)} is not {'a whole number' if whole else 'a number'}.")
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    wrong = (
        (low is not None and value < low and f"at least {bound(low)}")
        or (high is not None and value > high and f"at most {bound(high)}")
        or (above is not None and value <= above and f"more than {bound(above)}")
        or (below is not None and value >= below and f"less than {bound(below)}")
    )
    if wrong:
        return Problem(f"It must be {wrong}.")
    if not whole:
        return value
    return int(text) if _WHOLE.fullmatch(text) else int(value)


def _figure(text: str) -> float | None:
    """A finite number, with a decimal point or comma."""
    try:
        value = float(text.strip().replace(",", ".", 1).replace("_", " "))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(schema: dict[str, Any], text: str) -> str | Problem:
    shortest, longest = schema.get("minLength", 1), schema.get("maxLength")
    if len(text) < shortest:
        return Problem("It must not be empty." if shortest == 1 else f"It needs at least {shortest} characters.")
    return (
        Problem(f"It may have at most {longest} characters.") if longest is not None and len(text) > longest else text
    )


def _several(schema: dict[str, Any], options: Sequence[Option], text: str, *, partial: bool) -> list[Any] | Problem:
    """Parts separated by commas, or by semicolons if there is one."""
    parts = [part.strip() for part in text.split(";" if ";" in text else ",") if part.strip()]
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if len(parts) < least:
        return Problem(f"Give at least {least}, separated by commas.")
    if most is not None and len(parts) > most:
        return Problem(f"Give at most {most}.")
    read = [_one(as_object(schema.get("items")), options, part, partial=partial) for part in parts]
    return next((value for value in read if isinstance(value, Problem)), read)


def _json(schema: dict[str, Any], text: str) -> Any | Problem:  # noqa: ANN401 - JSON of any shape
    kind = schema.get("type")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    fits = is_object(value) if kind == "object" else isinstance(value, list)
    return value if fits else Problem(f"Write it as a JSON {kind}.")


def _no_number(text: str) -> Problem:
    return Problem(f"There is no number {text if len(text) <= _LONGEST_NUMBER else 'so high'}.")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")  # noqa: PLR2004 - enough to recognize it


def _listed(options: Iterable[Option]) -> str:
    named = [f"{option.value} ({option.label})" if option.label else str(option.value) for option in options]
    return ", ".join([*named[:_MOST_NAMED], *(["…"] if len(named) > _MOST_NAMED else [])])
