"""Places in JSON (`asset.id`, `detail[0].msg`), and the placeholders of a description (`{ref}`)."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue

__all__ = ["PLACEHOLDER", "fill", "fill_path", "is_place", "put_at", "text_at", "value_at"]

PLACEHOLDER = re.compile(r"\{([A-Za-z_:]*)\}")

_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|\[(\d{1,3})\]")


def is_place(text: str) -> bool:
    return "".join(match.group() for match in _STEP.finditer(text)) == text and bool(text)


def _steps(place: str) -> list[str | int]:
    return [int(index) if index else name for name, index in _STEP.findall(place)]


def value_at(place: str | None, body: Any) -> Any:  # noqa: ANN401 - any JSON
    """What stands there, or None where nothing does; no place is the whole."""
    for step in _steps(place or ""):
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return None
    return body


def text_at(place: str, body: Any) -> str | None:  # noqa: ANN401 - any JSON
    """A reference: text, or a whole number as text."""
    found = value_at(place, body)
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        return None
    return str(found)


def put_at(place: str | None, body: Any, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The body with the value there; what is missing on the way is made, and objects on both sides are merged."""
    steps = _steps(place or "")
    for step in reversed(steps):
        value = [value] if isinstance(step, int) else {step: value}
    return _merged(body, value)


def _merged(body: Any, value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(body, Mapping) and isinstance(value, Mapping):
        return {**body, **{name: _merged(body.get(name), part) for name, part in value.items()}}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType] - JSON
    return value


def fill(template: JsonValue, given: Mapping[str, str]) -> JsonValue:
    """The template with every placeholder of `given` replaced; `{ref:number}` alone becomes a number.

    Raises:
        ValueError: what should be a number is none.
    """
    if isinstance(template, Mapping):
        return {name: fill(part, given) for name, part in template.items()}
    if isinstance(template, list):
        return [fill(part, given) for part in template]
    if not isinstance(template, str):
        return template
    if template == "{ref:number}":
        return int(given["ref"])
    return PLACEHOLDER.sub(lambda match: given.get(match[1], match[0]), template)


def fill_path(template: str, given: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: quote(given[match[1]], safe=""), template)
