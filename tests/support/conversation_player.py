"""Plays a scripted conversation over the whole client and the real server, and checks what it says must hold.

What a conversation does not say a model is asked, it must not be asked.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator_client.dialogue.confirmation import CONFIRMATION, demanded
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.usage import Purpose
from orchestrator_client.models.protocol import AgentBrief, ModelRequest, StreamEvent, TopicBrief, purpose_of
from orchestrator_client.models.scripted import ScriptedModel, Step
from orchestrator_client.models.tokenless import Tokenless
from orchestrator_client.orchestrator import Turn
from tests.support.assistant import Assistant, assistant, rows, seeded
from tests.support.conversations import Check, Conversation, Exchange

__all__ = ["Failed", "Seen", "check", "check_names", "play"]

THE_CODE = "the code that was asked for"
"""Stands for the code of the server's latest demand for a person's agreement."""

SEPARATOR = " | "
_STORED = re.compile(r"stored in ([a-z_]+)")
_NAME = re.compile(r"[a-z_]+")
_MOST_SHOWN = 600
_PURPOSES: tuple[Purpose, ...] = ("route", "topic", "agent", "summary")


class Failed(AssertionError):
    """What happened is not what the conversation says; the text begins with file and line."""


@dataclass(frozen=True, slots=True)
class Seen:
    """After an exchange: its turn, the state, what the models were asked in it, and all that was ever shown."""

    turn: Turn
    state: SessionState
    requests: tuple[ModelRequest, ...]
    shown: str
    plant: Path

    def prompt(self) -> str:
        """All that the last agent asked in this exchange was given to read."""
        asked = [request for request in self.requests if isinstance(request.brief, AgentBrief)]
        if not asked:
            raise Failed("no agent was asked anything")
        return _text(asked[-1])


@dataclass
class _Script(Tokenless):
    """A model that plays the steps of one exchange after the other."""

    name: str = "scripted"
    playing: ScriptedModel = field(default_factory=lambda: ScriptedModel([]))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        async with aclosing(self.playing.stream(request)) as stream:
            async for event in stream:
                yield event


async def play(conversation: Conversation, folder: Path) -> Seen:
    """Play it all on a fresh sample plant in `folder`; returns what was seen last.

    Raises:
        Failed: with file and line.
    """
    await seeded(folder)
    script, shown, seen = _Script(), "", None
    async with assistant(folder, script) as at:
        if conversation.project:
            await at.orchestrator.set_project("s1", conversation.project)
        for exchange in conversation.exchanges:
            seen = await _exchange(at, script, exchange, shown, folder)
            shown = seen.shown
            for wanted in exchange.checks:
                check(seen, wanted)
    assert seen is not None, "the reader gives at least one exchange"
    return seen


async def _exchange(at: Assistant, script: _Script, exchange: Exchange, shown: str, folder: Path) -> Seen:
    history = await at.history()
    steps = [_with_code(step, history, exchange.where) for step in exchange.steps]
    script.playing = model = ScriptedModel(steps)
    turn = await at.say(exchange.said)
    try:
        model.assert_finished()
    except AssertionError as failure:
        raise Failed(f"{exchange.where}: {failure} The person read: {turn.reply}") from failure
    asked = sum(isinstance(request.brief, TopicBrief) for request in model.requests)
    if asked != sum(step.expect == "topic" for step in steps):
        raise Failed(f"{exchange.where}: the detector was asked, and the conversation does not say so.")
    said = [exchange.said, turn.reply, *("".join(step.chunks) for step in steps), *map(_text, model.requests)]
    return Seen(turn, await at.store.state("s1"), tuple(model.requests), "\n".join([shown, *said]), folder)


def check(seen: Seen, wanted: Check) -> None:
    """Hold one statement of the conversation against what was seen.

    Raises:
        Failed: it does not hold, there is no such statement, or it could not fail.
    """
    try:
        problem = _problem(seen, wanted)
    except Failed as failure:
        problem = str(failure)
    if problem:
        raise Failed(f"{wanted.where}: {wanted.name}: {problem}")


def check_names() -> list[str]:
    """All that can be stated, but for `stored in TABLE`."""
    return [*_EXACT, *(f"{name} {how}" for name in _TEXTS for how in ("contains", "lacks"))]


def _problem(seen: Seen, wanted: Check) -> str:
    stored = _STORED.fullmatch(wanted.name)
    if stored:
        return _count_problem(seen.plant, stored[1], wanted)
    if wanted.fields:
        raise Failed('only "stored in …" has fields')
    if wanted.name in _EXACT:
        found = _EXACT[wanted.name](seen)
        return "" if found == wanted.value else f"expected {wanted.value!r}, found {found!r}"
    name, _, how = wanted.name.rpartition(" ")
    if name not in _TEXTS or how not in {"contains", "lacks"}:
        raise Failed(f"there is no such statement; there are {', '.join(check_names())}, stored in TABLE")
    text = _one_line(_TEXTS[name](seen))
    if how == "contains":
        return "" if wanted.value in text else f"expected {wanted.value!r} in {_clipped(text)!r}"
    if wanted.value not in _one_line(seen.shown):
        return f"{wanted.value!r} was never said or shown, so it cannot be there; mend the spelling"
    return f"{wanted.value!r} is in it" if wanted.value in text else ""


def _count_problem(plant: Path, table: str, wanted: Check) -> str:
    if not wanted.value.isdecimal() or not all(map(_NAME.fullmatch, wanted.fields)):
        raise Failed('write "stored in TABLE: COUNT", and its fields as "name: value"')
    matches = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in wanted.fields.items()]
    try:
        ((found,),) = rows(plant, f"SELECT count(*) FROM {table} WHERE {' AND '.join(matches or ['1'])}")
    except sqlite3.OperationalError as error:
        raise Failed(str(error)) from error
    return "" if found == int(wanted.value) else f"expected {wanted.value} such records, found {found}"


def _with_code(step: Step, history: Sequence[Message], where: str) -> Step:
    if not any(use.input.get(CONFIRMATION) == THE_CODE for use in step.calls):
        return step
    demands = [demand for end in range(len(history)) if (demand := demanded(history[: end + 1]))]
    if not demands:
        raise Failed(f'{where}: "{THE_CODE}" stands where the server has asked for none.')
    coded = [use.model_copy(update={"input": use.input | {CONFIRMATION: demands[-1].code}}) for use in step.calls]
    return replace(step, calls=tuple(coded))


def _text(request: ModelRequest) -> str:
    results = (result.content for message in request.messages for result in message.tool_results)
    return "\n".join([request.system, *(message.text for message in request.messages), *results])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _clipped(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"…{text[-_MOST_SHOWN:]}"


def _listed(values: Iterable[str]) -> str:
    return SEPARATOR.join(values) or "none"


def _model_calls(seen: Seen) -> str:
    counts = Counter(purpose_of(request.brief) for request in seen.requests)
    return ", ".join(f"{counts[purpose]} {purpose}" for purpose in _PURPOSES if counts[purpose]) or "none"


_EXACT: dict[str, Callable[[Seen], str]] = {
    "reply": lambda seen: _one_line(seen.turn.reply),
    "outcome": lambda seen: seen.turn.outcome.replace("_", " "),
    "mode": lambda seen: seen.turn.mode.replace("_", " "),
    "agent": lambda seen: seen.turn.agent or "none",
    "completed": lambda seen: _listed(seen.turn.completed),
    "tools": lambda seen: _listed(f"{used.tool} {'ok' if used.ok else 'refused'}" for used in seen.turn.tool_calls),
    "choices": lambda seen: _listed(seen.turn.choices),
    "suggestions": lambda seen: _listed(seen.turn.suggestions),
    "project": lambda seen: seen.state.project or "none",
    "active task": lambda seen: seen.state.task.opening_message if seen.state.task else "none",
    "parked tasks": lambda seen: _listed(task.opening_message for task in reversed(seen.state.parked)),
    "kept requests": lambda seen: _listed(request.text for request in seen.state.waiting),
    "model calls": _model_calls,
}
_TEXTS: dict[str, Callable[[Seen], str]] = {
    "reply": lambda seen: seen.turn.reply,
    "prompt": Seen.prompt,
}
