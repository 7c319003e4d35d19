"""What is never summarized of a task: what the user gave, what was stored, which errors came up. Kept by code alone.

An entry is data on one line; the marker that completes a task never stands in it.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from orchestrator_client.context.history.facts import as_line, carries_data, data_in, instructs, sentences_of
from orchestrator_client.dialogue.completion import without_marker
from orchestrator_client.dialogue.confirmation import DEMAND_CODE, YES
from orchestrator_client.dialogue.json_values import as_list, as_object
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock

__all__ = ["Given", "Ledger", "Stored", "asked_in", "inert", "ledger_of", "stored_by"]

_ORCHESTRATOR = "[orchestrator]"
"""How remarks of the orchestrator begin; in older stores nothing else tells them from a person's words."""

_MOST_OF_A_QUESTION = 120  # characters
_MOST_OF_AN_ERROR = 200
_MOST_OF_A_NAME = 80
_SHORT_ANSWER = 8  # words
_PLEASANT_WORDS = (
    "hi hello hey hallo moin thanks thank you thx cheers please great good fine nice perfect super cool bye morning"
    " afternoon evening no nope n yes yeah yep go ahead right correct agreed alright continue next done ok okay"
    " is that sure very much a lot so it do"
)
_PLEASANTRIES = frozenset(_PLEASANT_WORDS.split())
_EDGES = "\"'“”„.,;:!?()[]{}"
_SENTENCE_START = re.compile(r"[.!?:]\s+|\n")
_OPTION = re.compile(r"^\s*[-(\[]?(\d{1,2})[.):\]]?\s+(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Given:
    """Words of the user. `turn` counts from 1; `asked` is the question that a short answer needs to be understood.

    `stored`: all its data went into a record since.
    """

    turn: int
    text: str
    asked: str = ""
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A successful write: the tool, the record's id, and its status and revision in words."""

    tool: str
    record: str
    state: str

    def __str__(self) -> str:
        return " ".join(filter(None, (f"{self.tool}: {self.record}", self.state and f"({self.state})")))


@dataclass(frozen=True, slots=True)
class Ledger:
    """`errors` are told once each, with how often they came up. `instructions` say what holds from now on."""

    opening: str = ""
    project: str = ""
    given: tuple[Given, ...] = ()
    stored: tuple[Stored, ...] = ()
    errors: tuple[tuple[str, int], ...] = ()
    instructions: tuple[Given, ...] = ()


def ledger_of(turns: Sequence[Sequence[Message]], *, opening: str, read_only: Collection[str]) -> Ledger:
    """The ledger of a task's oldest turns, without the context it started with."""
    results = list(_results_in(message for turn in turns for message in turn))
    instructions, given = _parted(_given_in(turns, inert(opening)))
    return Ledger(
        opening=inert(opening),
        project=_project_in(results),
        instructions=instructions,
        given=_marked(given, turns, read_only),
        stored=_latest(stored_by(use, result) for use, result in results if use.name not in read_only),
        errors=_errors_in(results),
    )


def inert(text: str) -> str:
    return without_marker(as_line(text))


def asked_in(message: Message | None) -> str:
    """The last question in an agent's message; empty if it asks nothing."""
    if message is None or message.role != "assistant":
        return ""
    mark = message.text.rfind("?")
    leading = message.text[max(0, mark - _MOST_OF_A_QUESTION) : mark]
    start = max((found.end() for found in _SENTENCE_START.finditer(leading)), default=0)
    return inert(f"{leading[start:]}?") if mark > 0 else ""


def stored_by(use: ToolUseBlock, result: ToolResultBlock) -> Stored | None:
    """What a call has stored, by its structured answer; None if it has stored nothing."""
    answer = as_object(result.structured)
    record = as_object(answer.get("record"))
    if result.is_error or use.input.get("dry_run") or answer.get("dry_run") or record.get("id") is None:
        return None
    revision = record.get("revision")
    states = [answer.get("status"), record.get("status"), None if revision is None else f"revision {revision}"]
    state = ", ".join(_name(part) for part in states if isinstance(part, str))
    return Stored(_name(use.name), _name(record["id"]), state)


def _given_in(turns: Sequence[Sequence[Message]], opening: str) -> Iterable[Given]:
    before: Message | None = None
    opened = False
    for number, turn in enumerate(turns, start=1):
        for message in turn:
            text = inert(message.text) if message.kind == "person" else ""
            if text and not message.text.startswith(_ORCHESTRATOR):
                if opened or text != opening:
                    yield from _entry(number, text, before)
                opened = opened or text == opening
            if message.role == "assistant" and message.text.strip():
                before = message


def _entry(number: int, text: str, before: Message | None) -> Iterable[Given]:
    asked = asked_in(before)
    words = [word.strip(".,!?") for word in text.casefold().split()]
    if not set(words) - _PLEASANTRIES - YES:
        if data_in(asked):  # a yes or a no to figures
            yield Given(number, text, asked)
    elif asked and len(words) <= _SHORT_ANSWER:
        yield Given(number, _resolved(text, before), asked)
    elif carries_data(text):
        yield Given(number, text)


def _parted(entries: Iterable[Given]) -> tuple[tuple[Given, ...], tuple[Given, ...]]:
    """Standing instructions, and all else. Of a message with both, each sentence goes where it belongs."""
    instructions: list[Given] = []
    given: list[Given] = []
    for entry in entries:
        sentences = [entry.text] if entry.asked else sentences_of(entry.text)
        standing = " ".join(filter(instructs, sentences))
        rest = " ".join(sentence for sentence in sentences if not instructs(sentence))
        if standing:
            instructions.append(replace(entry, text=standing))
        if not standing or carries_data(rest):
            given.append(replace(entry, text=rest))
    return tuple(instructions), tuple(given)


def _marked(
    entries: Sequence[Given], turns: Sequence[Sequence[Message]], read_only: Collection[str]
) -> tuple[Given, ...]:
    """The entries, those marked whose data were all stored in their turn or later."""
    marked: list[Given] = []
    stored: set[str] = set()
    left = len(turns)
    for entry in reversed(entries):
        for turn in turns[entry.turn - 1 : left]:
            writes = (use for use, result in _results_in(turn) if use.name not in read_only and stored_by(use, result))
            stored |= {word for use in writes for word in _words_of(use.input)}
        left = min(left, entry.turn - 1)
        words = {word for datum in data_in(entry.text) for word in _words_of(datum)}
        marked.append(replace(entry, stored=bool(words) and words <= stored))
    return tuple(reversed(marked))


def _words_of(value: object) -> Iterable[str]:
    """The words of all texts and figures in a JSON value."""
    if parts := [*as_object(value).values(), *as_list(value)]:
        yield from (word for part in parts for word in _words_of(part))
    elif not isinstance(value, dict | list):
        yield from filter(None, (word.strip(_EDGES) for word in str(value).split()))


def _resolved(text: str, before: Message | None) -> str:
    """An answer by number, with what stood beside that number in the question."""
    options = dict(_OPTION.findall(before.text)) if before and text.isdecimal() else {}
    return f"{text} ({inert(options[text])[:_MOST_OF_A_NAME]})" if text in options else text


def _results_in(messages: Iterable[Message]) -> Iterable[tuple[ToolUseBlock, ToolResultBlock]]:
    uses: dict[str, ToolUseBlock] = {}
    for message in messages:
        uses |= {use.id: use for use in message.tool_uses}
        yield from ((uses[block.tool_use_id], block) for block in message.tool_results if block.tool_use_id in uses)


def _latest(stored: Iterable[Stored | None]) -> tuple[Stored, ...]:
    """One entry for each record: how the last write left it, in the order of these writes."""
    found: dict[str, Stored] = {}
    for entry in stored:
        if entry is not None:
            found.pop(entry.record, None)
            found[entry.record] = entry
    return tuple(found.values())


def _project_in(results: Iterable[tuple[ToolUseBlock, ToolResultBlock]]) -> str:
    """The project that the last successful call named."""
    named = (use.input.get("project") for use, result in results if not result.is_error)
    return next((_name(project) for project in reversed(list(named)) if isinstance(project, str)), "")


def _errors_in(results: Iterable[tuple[ToolUseBlock, ToolResultBlock]]) -> tuple[tuple[str, int], ...]:
    """Each with its count, the one that came up last at the end."""
    found: dict[str, int] = {}
    for error in (_error(use, result) for use, result in results if _is_fault(result)):
        found[error] = found.pop(error, 0) + 1
    return tuple(found.items())


def _is_fault(result: ToolResultBlock) -> bool:
    """A demand for the user's agreement is put as an error, but it is none."""
    return result.is_error and _error_object(result).get("code") != DEMAND_CODE


def _error(use: ToolUseBlock, result: ToolResultBlock) -> str:
    error = _error_object(result)
    where = " ".join(_name(error[name]) for name in ("code", "field") if error.get(name))
    message = inert(str(error.get("message") or result.content))[:_MOST_OF_AN_ERROR]
    return ": ".join(filter(None, (_name(use.name), where, message)))


def _error_object(result: ToolResultBlock) -> dict[str, object]:
    return as_object(as_object(result.structured).get("error"))


def _name(value: object) -> str:
    return inert(str(value))[:_MOST_OF_A_NAME]
