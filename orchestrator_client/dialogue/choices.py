"""The orchestrator's own questions: how they are put, and how an answer is read, by number or in words. Pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, assert_never

from orchestrator_client.dialogue.completion import without_marker
from orchestrator_client.dialogue.state import (
    MOST_PARKED,
    MOST_WAITING,
    Question,
    Return,
    SessionState,
    Switch,
    TaskState,
)

__all__ = ["Choice", "Deed", "choices_of", "named", "place_in", "put", "quoted", "read_choice", "subject"]

Deed = Literal["finish_first", "switch", "cancel", "same_task", "ignore", "back", "later", "agent", "drop"]

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_MOST_WORDS = 8
_MOST_DIGITS = 4
_CANCEL_ALL = "Cancel all of them"
_SHOWN = 120
_NOT = frozenset({"not", "don't", "dont", "never"})
_YES = frozenset({"yes", "y", "ok", "okay", "sure", "please"})
_SAYS: dict[Deed, frozenset[str]] = {
    "finish_first": frozenset({"finish", "complete", "first", "stay"}),
    "switch": frozenset({"switch", "now"}),
    "cancel": frozenset({"cancel", "discard", "abandon", "drop"}),
    "same_task": frozenset({"same", "belongs", "neither"}),
    "ignore": frozenset({"forget", "ignore", "skip", "nevermind", "mind", "never"}),
    "back": frozenset({"back", "return", "resume", "continue", *_YES}),
    "later": frozenset({"later", "no", "not", "now", "n", "nope", "leave"}),
    "agent": frozenset(),
    "drop": frozenset({"none", "no", "neither", "nothing", "cancel", "drop", "forget"}),
}
_LOOSE: frozenset[Deed] = frozenset({"finish_first", "switch"})
"""Deeds whose words count inside a short sentence; the others are only read from an answer that says nothing else."""

_FILLER = frozenset(
    _WORD.findall(
        "a all and current go it let's me my of old please task thank thanks that the them these this to want you"
    )
)
_NAMING = (
    frozenset(
        _WORD.findall(
            "about at before bring carry did earlier for get going is it's its last left off on one our pick previous"
            " stop switch take up we were where with working"
        )
    )
    | _FILLER
    | _SAYS["back"]
)
"""Words beside the name of a task or an agent."""

_ALL = frozenset({"all", "both", "everything", "them"})
_PLACES = {
    word: str(place)
    for place, words in enumerate(("one first 1st", "two second 2nd", "three third 3rd", "four fourth 4th"), start=1)
    for word in words.split()
}
_PLACE = re.compile(r"(?:(?:the|option|number|choice|#) ?)*(\w+)(?: one| option)?(?:,? (?:please|thanks))?")


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to a question: what it does, to which task or agent, and how it is offered.

    An empty label is understood but not listed.
    """

    deed: Deed
    label: str = ""
    task_id: str = ""
    agent: str = ""


def choices_of(state: SessionState) -> tuple[Choice, ...]:
    """The answers to the open question, numbered as they stand; none if nothing is asked."""
    match state.question:
        case None:
            return ()
        case Switch():
            return tuple(_switch_choices(state))
        case Return():
            return tuple(_return_choices(state))
        case question:
            agents = [Choice("agent", candidate.title, agent=candidate.agent) for candidate in question.options]
            return (*agents, Choice("drop"))


def put(state: SessionState, title: Callable[[str], str]) -> str:
    """The open question with its numbered answers; `title` names an agent by its key."""
    question = state.question
    if question is None:
        return ""
    lines = [f"  {number}  {choice.label}" for number, choice in enumerate(_listed(state), start=1)]
    return "\n".join([_head(question, state, title), *lines, *_foot(question)])


def read_choice(text: str, state: SessionState) -> Choice | None:
    """The choice an answer means, or None if it means none of them for certain."""
    listed, said = _listed(state), text.strip().strip(".!()").strip()
    number = _number(said, state)
    if number:
        place = place_in(number, len(listed))
        return listed[place - 1] if place else None
    exact = [choice for choice in listed if choice.label.casefold() == said.casefold()]
    if exact:
        return exact[0]
    words = [word.casefold() for word in _WORD.findall(said)[: _MOST_WORDS + 1]]
    if not words or len(words) > _MOST_WORDS:
        return None
    meant = {choice.deed: choice for choice in reversed(choices_of(state)) if _says(choice, words)}
    if meant or not isinstance(state.question, Return):
        return next(iter(meant.values())) if len(meant) == 1 else None
    tasks = named(subject(said), state.parked)
    return next(choice for choice in listed if choice.task_id == tasks[0].id) if len(tasks) == 1 else None


def subject(text: str) -> frozenset[str]:
    """What a wish to go back speaks of: its words without those of going back."""
    return frozenset(word.casefold() for word in _WORD.findall(text)) - _NAMING


def named(words: frozenset[str], tasks: Iterable[TaskState]) -> tuple[TaskState, ...]:
    """The tasks that these words speak of: all of them stand in how it began or who does it."""
    return tuple(task for task in tasks if words and words <= _words_of(task))


def _words_of(task: TaskState) -> set[str]:
    return {word.casefold() for word in _WORD.findall(f"{task.opening_message} {task.agent.replace('_', ' ')}")}


def place_in(digits: str, count: int) -> int | None:
    """The place in a list of `count` that digits name, however many they are; None if there is no such place."""
    few = digits.isdecimal() and len(digits) <= _MOST_DIGITS
    return int(digits) if few and 1 <= int(digits) <= count else None


def _number(said: str, state: SessionState) -> str:
    """The digits of an answer by number; empty for another. During a task, "first" is about the task."""
    found = _PLACE.fullmatch(said.casefold())
    if found is None or (isinstance(state.question, Switch) and found[1] == "first"):
        return ""
    return found[1] if found[1].isdecimal() else _PLACES.get(found[1], "")


def _listed(state: SessionState) -> tuple[Choice, ...]:
    return tuple(choice for choice in choices_of(state) if choice.label)


def _says(choice: Choice, words: list[str]) -> bool:
    if choice.deed == "agent":
        name = {word.casefold() for word in _WORD.findall(f"{choice.label} {choice.agent.replace('_', ' ')}")}
        return set(words) - _NAMING <= name and bool(set(words) & name)
    own = _SAYS[choice.deed]
    if choice.label == _CANCEL_ALL and _ALL.isdisjoint(words):
        return False
    if choice.deed == "ignore" and "task" in words:
        return False
    if choice.deed in _LOOSE:
        return bool(own.intersection(words)) and not _NOT.intersection(words)
    return bool(own.intersection(words)) and set(words) <= own | _FILLER


def _switch_choices(state: SessionState) -> Iterable[Choice]:
    if len(state.waiting) < MOST_WAITING:
        yield Choice("finish_first", "Finish this first; your request is kept and comes right after")
    if len(state.parked) < MOST_PARKED:
        yield Choice("switch", "Switch now, and come back to this later")
    yield Choice("cancel", "Cancel this task, and take up the new request")
    yield Choice("same_task")
    yield Choice("ignore")


def _return_choices(state: SessionState) -> Iterable[Choice]:
    latest_first = tuple(reversed(state.parked))
    if len(latest_first) == 1:
        yield Choice("back", "Go back to it", task_id=latest_first[0].id)
        yield Choice("later", "Not now; it waits")
        yield Choice("cancel", "Cancel it", task_id=latest_first[0].id)
        return
    for task in latest_first:
        yield Choice("back", f"Go back to: {quoted(task.opening_message)}", task_id=task.id)
    yield Choice("later", "Not now; they wait")
    yield Choice("cancel", _CANCEL_ALL)


def _head(question: Question, state: SessionState, title: Callable[[str], str]) -> str:
    match question:
        case Switch(request=request):
            whose = f" for {title(request.agent)}" if request.agent else ""
            task = f"{quoted(state.task.opening_message)} ({title(state.task.agent)})" if state.task else ""
            return f"That looks like a new request{whose}. You are in the middle of {task}. What shall I do?"
        case Return():
            *others, latest = state.parked
            if others:
                return "These tasks still wait:"
            return f"Still open: {quoted(latest.opening_message)} ({title(latest.agent)})."
        case _:
            return f"I am not sure who should take {quoted(question.request.text)}. Is it about:"


def _foot(question: Question) -> tuple[str, ...]:
    match question.kind:
        case "switch":
            return ('If it belongs to this task, say "same task".',)
        case "return":
            return ("Or say what you need next.",)
        case "clarify":
            return ('Number or name; or say it in other words, or "none".',)
        case _:
            assert_never(question.kind)


def quoted(text: str) -> str:
    """On one line, and not longer than people read."""
    line = " ".join(without_marker(text).split())
    return f'"{line}"' if len(line) <= _SHOWN else f'"{line[:_SHOWN]}…"'
