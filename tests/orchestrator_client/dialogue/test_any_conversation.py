"""The state machine under conversations of any kind: whatever is said, decided or goes wrong."""

from collections import Counter
from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import given, settings

from orchestrator_client.dialogue.choices import choices_of
from orchestrator_client.dialogue.machine import transition
from orchestrator_client.dialogue.moves import (
    Ask,
    Cancelled,
    CheckTopic,
    Effect,
    Ended,
    Event,
    Farewell,
    OffTopic,
    OnTopic,
    Reask,
    Resumed,
    Route,
    Routed,
    RunAgent,
    Said,
    Serve,
    Switched,
    Tell,
    Unclear,
)
from orchestrator_client.dialogue.state import MOST_PARKED, Candidate, Clarify, SessionState, Switch

AGENTS = ("quality_planning", "issue_tracking", "plant_data")
OPTIONS = tuple(Candidate(agent=agent, title=agent.replace("_", " ")) for agent in AGENTS)
ENDS = ("waiting", "confirming", "completed", "gave_up")
MOST_ROUNDS = 60
STEPS_TO_REST = 12


@dataclass
class Conversation:
    """Plays person, router, detector and agents by drawing lots, and keeps book of every request."""

    data: st.DataObject
    state: SessionState = field(default_factory=SessionState)
    turn: int = 0
    asked_for: list[str] = field(default_factory=list[str])
    begun: list[str] = field(default_factory=list[str])
    ended_by_person: list[str] = field(default_factory=list[str])
    ids: Counter[str] = field(default_factory=Counter[str])

    def draw(self, *options: object) -> object:
        return self.data.draw(st.sampled_from(options))

    def anything(self) -> Event:
        self.turn += 1
        request = f"please look into matter {self.turn}"
        kind = self.draw("request", "request", "answer", "choice", "cancel", "resume", "switch")
        if kind == "resume" and self.state.parked:
            return Resumed(str(self.draw(*(task.id for task in self.state.parked))), self.turn)
        if kind == "switch":
            self.asked_for.append(request)
            return Switched(request, self.turn)
        if kind == "cancel":
            return Cancelled(self.turn)
        if kind == "choice" and choices_of(self.state):
            return Said(str(self.draw("1", "2", "3", "same task", "none", "go back", "9")), self.turn)
        if kind == "answer":
            return Said(str(self.draw("yes", "42", "MC-103", "never mind")), self.turn, "Which machine?")
        self.asked_for.append(request)
        return Said(request, self.turn, "Which machine?")

    def happen(self, event: Event) -> None:
        """One turn: the event and all that follows from it."""
        events, rounds = [event], 0
        while events:
            rounds += 1
            assert rounds <= MOST_ROUNDS, "the turn has no end"
            before = self.state
            self.state, effects = transition(before, events.pop(0))
            assert effects or not isinstance(event, Said) or rounds > 1, "the person is left without an answer"
            self.check_tasks()
            for effect in effects:
                follow = self.follow(effect)
                if follow is not None:
                    events.append(follow)
        for text in self.asked_for:
            assert self.somewhere(text), f"lost: {text}"

    def follow(self, effect: Effect) -> Event | None:
        match effect:
            case Route(text, asked):
                return self.routed(text, asked)
            case CheckTopic(text):
                return OffTopic(text, str(self.draw(*AGENTS))) if self.draw(True, False) else OnTopic(text)
            case RunAgent(_, text, opens):
                self.begun.append(text)
                in_task = self.state.task is not None
                return Ended(self.draw(*ENDS) if in_task else "answered") if opens or in_task else None  # pyright: ignore[reportArgumentType]
            case Serve():
                request = self.state.waiting[0]
                return (
                    Routed(request.agent, self.new_id(), request.text) if request.agent else self.routed(request.text)
                )
            case Farewell(task):
                self.ended_by_person.append(task.opening_message)
            case Tell("dropped", text):
                self.ended_by_person.append(text)
            case Tell("too_many_parked") | Ask(again=True) if self.asked_for:
                self.ended_by_person.append(self.asked_for[-1])  # not taken up, and said so at once
            case Ask() | Reask():
                assert choices_of(self.state) if isinstance(effect, Ask) else self.state.task is not None
            case _:
                pass
        return None

    def routed(self, text: str, asked: int = 0) -> Event:
        match self.draw("clear", "clear", "chat", "unclear"):
            case "clear":
                return Routed(str(self.draw(*AGENTS)), self.new_id(), text)
            case "chat":
                return Routed("general", self.new_id(), text, conversation=True)
            case _:
                return Unclear(text, OPTIONS, "general", self.new_id(), asked)

    def new_id(self) -> str:
        self.ids["task"] += 1
        return f"t{self.ids['task']}"

    def check_tasks(self) -> None:
        tasks = [*self.state.parked, *([self.state.task] if self.state.task else [])]
        assert len({task.id for task in tasks}) == len(tasks), "one task stands in two places"
        assert len(self.state.parked) <= MOST_PARKED
        assert (self.state.mode == "awaiting_choice") == bool(choices_of(self.state)), "a question without answers"

    def somewhere(self, text: str) -> bool:
        """Served (its task was begun, alone or with what was said to explain it), kept, or ended by the person."""
        held = [request.text for request in self.state.waiting]
        if isinstance(self.state.question, Switch | Clarify):
            held.append(self.state.question.request.text)
        return any(text in known for known in (*held, *self.begun, *self.ended_by_person))

    def come_to_rest(self) -> None:
        """A person who wants nothing more gets out of every state."""
        for _ in range(STEPS_TO_REST):
            self.turn += 1
            if self.state.mode == "orchestrator" and not self.state.waiting:
                return
            self.state, effects = transition(self.state, Cancelled(self.turn))
            for effect in effects:
                if isinstance(effect, Serve):
                    request = self.state.waiting[0]
                    self.state, _ = transition(self.state, Routed("general", "x", request.text, conversation=True))
                    self.state, _ = transition(self.state, Ended("answered"))
        raise AssertionError(f"no way out of {self.state}")


@settings(max_examples=400)
@given(st.data())
def test_no_conversation_gets_stuck_loses_a_request_or_has_two_active_tasks(data: st.DataObject) -> None:
    conversation = Conversation(data)
    for _ in range(data.draw(st.integers(1, 25))):
        conversation.happen(conversation.anything())
    conversation.come_to_rest()
