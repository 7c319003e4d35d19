"""Reads a person's answer to one question: a value that fits the field's schema, or what is wrong with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from orchestrator_client.models.guided.form import Field, Option

__all__ = ["NO", "SKIP", "YES", "Problem", "read_answer", "read_choice"]

YES = frozenset({"y", "yes", "ok", "okay", "sure", "true", "confirm", "store it", "do it"})
NO = frozenset({"n", "no", "nope", "false"})
SKIP = frozenset({"-", "skip", "none"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an answer cannot be used, as a sentence."""

    text: str


def read_answer(field: Field, options: Sequence[Option], answer: str) -> Any | Problem:  # noqa: ANN401 - a value of any field
    """The value the answer means for this field."""
    text = answer.strip()
    if not text:
        return Problem("This needs an answer.")
    if options:
        return read_choice(options, text)
    match field.schema.get("type"):
        case "boolean":
            return _boolean(text)
        case "integer":
            return _number(field.schema, text, whole=True)
        case "number":
            return _number(field.schema, text, whole=False)
        case "array":
            return _several(field.schema, text)
        case _:
            return _text(field.schema, text)


def read_choice(options: Sequence[Option], text: str) -> Any | Problem:  # noqa: ANN401 - a value of any field
    """The option meant by its number, its value, its label, or a part of them that only one has."""
    folded = _folded(text)
    for option in options:
        if folded == _folded(str(option.value)):
            return option.value
    if text.isdecimal():
        return (
            options[int(text) - 1].value if 1 <= int(text) <= len(options) else Problem(f"There is no number {text}.")
        )
    exact = [option for option in options if option.label and folded == _folded(option.label)]
    found = exact or [o for o in options if folded and folded in _folded(f"{o.value} {o.label}")]
    if len(found) == 1:
        return found[0].value
    if found:
        return Problem(f"{text!r} fits several: {_listed(found)}. Which one?")
    names = {str(option.value): option for option in options} | {o.label: o for o in options if o.label}
    close = [names[name] for name in get_close_matches(text, names, n=3, cutoff=0.5)]
    hint = f" Did you mean {_listed(dict.fromkeys(close))}?" if close else " Answer with a number from the list."
    return Problem(f"{text!r} is not in the list.{hint}")


def _boolean(text: str) -> bool | Problem:
    if text.casefold() in YES:
        return True
    return False if text.casefold() in NO else Problem("Please answer yes or no.")


def _number(schema: dict[str, Any], text: str, *, whole: bool) -> float | Problem:
    try:
        value = int(text) if whole else float(text.replace(",", ".") if text.count(",") == 1 else text)
    except ValueError:
        return Problem(f"{text!r} is not {'a whole number' if whole else 'a number'}.")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and value < low:
        return Problem(f"It must be at least {low:g}.")
    return Problem(f"It must be at most {high:g}.") if high is not None and value > high else value


def _text(schema: dict[str, Any], text: str) -> str | Problem:
    shortest, longest = schema.get("minLength", 1), schema.get("maxLength")
    if len(text) < shortest:
        return Problem("It must not be empty." if shortest == 1 else f"It needs at least {shortest} characters.")
    return (
        Problem(f"It may have at most {longest} characters.") if longest is not None and len(text) > longest else text
    )


def _several(schema: dict[str, Any], text: str) -> list[str] | Problem:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if len(parts) < least:
        return Problem(f"Give at least {least}, separated by commas.")
    return Problem(f"Give at most {most}.") if most is not None and len(parts) > most else parts


def _folded(text: str) -> str:
    """`SPC chart` and `spc_chart` are the same answer."""
    return text.casefold().replace("_", " ").strip()


def _listed(options: Iterable[Option]) -> str:
    return ", ".join(f"{option.value} ({option.label})" if option.label else str(option.value) for option in options)
