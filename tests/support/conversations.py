"""Reads the scripted conversations of `fixtures/conversations`; `fixtures/README.md` says how they are written."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator_client.dialogue.completion import MARKER
from orchestrator_client.errors import ModelUnavailable
from orchestrator_client.models.scripted import Step, call, fail, reply, route, topic

__all__ = ["FOLDER", "RECORDS", "Check", "Conversation", "Exchange", "Unreadable", "read", "read_records"]

FOLDER = Path(__file__).parents[2] / "fixtures" / "conversations"
RECORDS = "records.md"
"""Holds the arguments of tool calls that several conversations share, each under its name."""

Records = Mapping[str, Mapping[str, str]]

_DONE = "task complete"
_CHECK = re.compile(r"\[x\] ([a-z_ ]+): (.+)")
_ROUTER = re.compile(r"Router: (\w+), (\d{1,3}) % sure")
_DETECTOR = re.compile(r"Detector: (?:same task|switch to (\w+), (\d{1,3}) % sure)")
_DOWN = re.compile(r"(\w+) is unavailable")
_SAYS = re.compile(r"(\w+) says: (.+)")
_CALLS = re.compile(r"(\w+) calls (\w+)(?: with (.+))?")
_DETAIL = re.compile(r"([a-z_]+(?: \d+)?(?: [a-z_]+)?): (.+)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


class Unreadable(ValueError):
    """A conversation that cannot be read; the text begins with file and line."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold after an exchange; `fields` are those of a stored record."""

    where: str
    name: str
    value: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message of a person, what the models answer on the way, and what must hold then."""

    where: str
    said: str
    steps: tuple[Step, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """`shows` is the paragraph that says what it is about; `project` is chosen before the first message."""

    title: str
    shows: str
    project: str | None
    exchanges: tuple[Exchange, ...]


@dataclass(slots=True)
class _Entry:
    """One item of the list, with the items set in below it."""

    file: str
    number: int
    text: str
    details: list[str]

    @property
    def where(self) -> str:
        return f"{self.file}:{self.number}"

    def fields(self) -> dict[str, str]:
        found = [_DETAIL.fullmatch(detail) for detail in self.details]
        if None in found:
            raise Unreadable(f'{self.where}: "{self.details[found.index(None)]}" must be "field: value".')
        pairs = [(match[1], match[2]) for match in found if match]
        if len(dict(pairs)) < len(pairs):
            raise Unreadable(f"{self.where}: a field stands there twice.")
        return dict(pairs)


def read(path: Path, records: Records) -> Conversation:
    """A conversation from its file.

    Raises:
        Unreadable: with file, line, and what was expected there.
    """
    head, entries = _parsed(path)
    title, *rest = head or [""]
    shows = " ".join(rest)
    if not title.startswith("# ") or not shows:
        raise Unreadable(f'{path.name}:1: begin with "# Title", then a paragraph that says what it shows.')
    project = None
    if entries and entries[0].text.startswith("Project: "):
        project = entries.pop(0).text.removeprefix("Project: ")
    exchanges = tuple(_exchanges(entries, records))
    if not any(exchange.checks for exchange in exchanges):
        raise Unreadable(f'{path.name}:1: nothing is checked; write "- [x] reply: …" after what was said.')
    return Conversation(title.removeprefix("# "), shows, project, exchanges)


def read_records(path: Path) -> Records:
    """The named arguments: a heading `## the name`, and its fields as a list."""
    records: dict[str, dict[str, str]] = {}
    for section in path.read_text(encoding="utf-8").split("\n## ")[1:]:
        name, *lines = section.splitlines()
        details = [line.removeprefix("- ") for line in lines if line.strip()]
        records[name.strip()] = _Entry(f"{path.name}, {name}", 0, name, details).fields()
    return records


def _parsed(path: Path) -> tuple[list[str], list[_Entry]]:
    """The lines before the list, and the list; a line that goes on is set in without a dash."""
    head: list[str] = []
    entries: list[_Entry] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        if line.startswith("- "):
            entries.append(_Entry(path.name, number, line[2:].strip(), []))
        elif not entries:
            head.append(line.strip())
        elif line.startswith("  - "):
            entries[-1].details.append(line[4:].strip())
        elif line.startswith("  ") and not entries[-1].details:
            entries[-1].text += f" {line.strip()}"
        else:
            raise Unreadable(f'{path.name}:{number}: begin the line with "- ", or with "  - " below its item.')
    return head, entries


def _exchanges(entries: Sequence[_Entry], records: Records) -> Iterable[Exchange]:
    starts = [at for at, entry in enumerate(entries) if entry.text.startswith("Person: ")]
    if starts[:1] != [0]:
        where = entries[0].where if entries else "the list"
        raise Unreadable(f'{where}: a conversation begins with "- Person: …".')
    for start, end in zip(starts, [*starts[1:], len(entries)], strict=True):
        said, *rest = entries[start:end]
        checks = tuple(_check(entry) for entry in rest if entry.text.startswith("[x]"))
        steps = tuple(_step(entry, records) for entry in rest if not entry.text.startswith("[x]"))
        if any(entry.text.startswith("[x]") for entry in rest[: len(steps)]):
            raise Unreadable(f"{said.where}: say what the models answer before what must hold.")
        yield Exchange(said.where, said.text.removeprefix("Person: "), steps, checks)


def _check(entry: _Entry) -> Check:
    found = _CHECK.fullmatch(entry.text)
    if found is None:
        raise Unreadable(f'{entry.where}: "{entry.text}" must be "[x] what: value".')
    return Check(entry.where, found[1], found[2], entry.fields())


def _step(entry: _Entry, records: Records) -> Step:
    for pattern, make in _STEPS.items():
        found = pattern.fullmatch(entry.text)
        if found is not None:
            return make(entry, found, records)
    raise Unreadable(
        f'{entry.where}: "{entry.text}" is none of "Person: …", "Router: AGENT, 95 % sure", "Detector: same task", '
        '"Detector: switch to AGENT, 95 % sure", "AGENT says: …", "AGENT calls TOOL", "… is unavailable", "[x] …".'
    )


def _routed(entry: _Entry, found: re.Match[str], _: Records) -> Step:
    entry.fields()
    return route(found[1], confidence=int(found[2]) / 100)


def _watched(entry: _Entry, found: re.Match[str], _: Records) -> Step:
    entry.fields()
    return topic(found[1]) if found[1] is None else topic(found[1], confidence=int(found[2]) / 100)


def _down(_entry: _Entry, found: re.Match[str], _: Records) -> Step:
    error = ModelUnavailable("The model is overloaded.")
    match found[1]:
        case "Router":
            return fail(error, expect="route")
        case "Detector":
            return fail(error, expect="topic")
        case agent:
            return fail(error, expect="agent", agent=agent)


def _said(entry: _Entry, found: re.Match[str], _: Records) -> Step:
    if entry.details not in ([], [_DONE]):
        raise Unreadable(f'{entry.where}: only "{_DONE}" may stand below what an agent says.')
    return reply(f"{found[2]}\n{MARKER}" if entry.details else found[2], expect="agent", agent=found[1])


def _called(entry: _Entry, found: re.Match[str], records: Records) -> Step:
    if found[3] is not None and found[3] not in records:
        raise Unreadable(f'{entry.where}: {RECORDS} has no "{found[3]}"; there are {", ".join(records)}.')
    fields = {**records.get(found[3] or "", {}), **entry.fields()}
    return call(found[2], _arguments(fields), id=f"call_{entry.number}", agent=found[1])


_STEPS: Mapping[re.Pattern[str], Callable[[_Entry, re.Match[str], Records], Step]] = {
    _ROUTER: _routed,
    _DETECTOR: _watched,
    _DOWN: _down,
    _SAYS: _said,
    _CALLS: _called,
}


def _arguments(fields: Mapping[str, str]) -> dict[str, Any]:
    """`steps 1 text: …` is the field `text` of the first of `steps`, `ppe 2: …` the second of `ppe`."""
    arguments: dict[str, Any] = {}
    listed: dict[str, dict[int, Any]] = {}
    for name, text in fields.items():
        match name.split():
            case [field, position, inner]:
                listed.setdefault(field, {}).setdefault(int(position), {})[inner] = _value(text)
            case [field, position]:
                listed.setdefault(field, {})[int(position)] = _value(text)
            case _:
                arguments[name] = _value(text)
    return arguments | {field: [items[at] for at in sorted(items)] for field, items in listed.items()}


def _value(text: str) -> str | int | float | bool:
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text == "true" if text in {"true", "false"} else text
