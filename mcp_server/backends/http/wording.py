"""A system's own words about why it said no, made fit to be shown: one bounded line, no markup, no credential."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, cast

__all__ = ["NotJson", "Wording", "parsed", "told"]

_LONGEST = 300
_SHORTEST_SECRET = 6
"""What is shorter is a word like `rest`, not a credential."""
_HIDDEN = "[hidden]"
_MARKUP = re.compile(r"<[^<>]*>")
_CREDENTIAL = re.compile(
    r"""(?ix)
    \b(?: (?:bearer|basic) \s+ [\w.~+/=-]{6,}                                                       # a header's value
        | (?:authorization|password|passwd|secret|token|api[_-]?key) ["']? \s* [:=] \s* ["']? [^\s"',;}]+ )
    """
)
_PLACES_OF_WORDS = ("detail", "message", "msg", "error", "errors", "description", "title", "reason")


class NotJson(ValueError):
    """What came is no JSON."""


def parsed(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    """The JSON of a body; None where there is no body.

    Raises:
        NotJson: it is something else, or JSON with `NaN` or `Infinity`, which no record can hold.
    """
    if not content.strip():
        return None
    try:
        return json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise NotJson("no JSON") from None  # the original error carries the whole body


def told(body: Any) -> str:  # noqa: ANN401 - any JSON
    """The words of an error body in one of the usual shapes: `{detail}`, `{message}`, `{error: {message}}`, a list."""
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return "; ".join(filter(None, map(told, cast("list[Any]", body)[:5])))  # what isinstance leaves unknown
    if not isinstance(body, Mapping):
        return ""
    found = cast("Mapping[str, Any]", body)  # JSON objects have text keys
    words = next(filter(None, (told(found.get(place)) for place in _PLACES_OF_WORDS)), "")
    where = found.get("loc")
    return f"{'.'.join(map(str, cast('list[Any]', where)))}: {words}" if words and isinstance(where, list) else words


class Wording:
    """Picks the words out of answers with the system's `told_by`, and hides what `secrets` names at that moment."""

    def __init__(self, told_by: Callable[[Any], str], secrets: Callable[[], Iterable[str]]) -> None:
        self._told_by = told_by
        self._secrets = secrets

    def of(self, content: bytes, content_type: str) -> str:
        """Empty where the answer says nothing a person could read."""
        try:
            words = self._told_by(parsed(content))
        except NotJson:
            words = content[: 4 * _LONGEST].decode(errors="replace") if content_type.startswith("text/plain") else ""
        except (LookupError, TypeError, ValueError, AttributeError):  # an error in a shape `told_by` does not expect
            words = ""
        return self.shown(words)

    def shown(self, words: str) -> str:
        if words.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
            return ""
        for secret in self._known():
            words = words.replace(secret, _HIDDEN)
        words = _CREDENTIAL.sub(_HIDDEN, _MARKUP.sub(" ", words[: 100 * _LONGEST]))
        line = " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())
        return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"

    def _known(self) -> list[str]:
        """Whole header values, what follows `Bearer`, and both halves of `key:secret`; the longest first, so that no
        rest of one stays.
        """
        tokens = [(value, value.rpartition(" ")[2]) for value in self._secrets()]
        known = {part for value, token in tokens for part in (value, token, *token.split(":"))}
        return sorted((secret for secret in known if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
