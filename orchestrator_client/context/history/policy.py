"""When and how far a task's history is condensed: three policies, each a pure decision over what the task weighs.

Every policy keeps whole turns, the newest one always, and moves its cut in leaps, so that a cached prefix stays valid
between them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol

from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.errors import ConfigurationError

__all__ = ["FixedWindow", "Load", "Policy", "PolicyName", "TokenAware", "TurnLoad", "WholeTask", "policy_named"]

PolicyName = Literal["fixed", "tokens", "task"]

_FULL = 0.95
"""The share of the leeway that counts as full; the rest is for the error of the estimate."""


@dataclass(frozen=True, slots=True)
class TurnLoad:
    """Tokens of a turn: as it is, with its large tool results cleared, and what remains of it once it is left out."""

    whole: int
    cleared: int
    left: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What a request with all turns of a task would weigh, in tokens.

    `room` is what fits, `fixed` what every request has (system prompt, tools, first context). `stand_in` is the most
    that stands for turns left out, `standing` what stands for those left out already, `context` the most that is kept
    of what remains of them. The turns from `floor` on should stay. `condensed` is how far the history is condensed.
    """

    room: int
    fixed: int
    stand_in: int
    standing: int
    context: int
    turns: tuple[TurnLoad, ...]
    floor: int
    condensed: Condensed

    def share(self, share: float) -> float:
        """The weight at which so much is used of the leeway, the room beside the fixed part and the stand-in."""
        used = self.fixed + self.stand_in
        return used + share * (self.room - used)

    @property
    def full(self) -> float:
        return self.share(_FULL)

    def tokens(self, condensed: Condensed) -> int:
        """The weight of a request with so much condensed; rather too much than too little."""
        kept = condensed.turns
        stand_in = self.standing if kept == self.condensed.turns else self.stand_in
        return (
            self.fixed
            + (stand_in if kept else 0)
            + min(self.context, sum(turn.left for turn in self.turns[:kept]))
            + sum(turn.cleared for turn in self.turns[kept : condensed.cleared_turns])
            + sum(turn.whole for turn in self.turns[max(kept, condensed.cleared_turns) :])
        )


class Policy(Protocol):
    """`sums_up`: a summary is written when a task completes."""

    name: ClassVar[PolicyName]
    sums_up: ClassVar[bool]

    def decide(self, load: Load) -> Condensed:
        """How far to condense: as far as before, or further."""
        ...


@dataclass(frozen=True, slots=True)
class TokenAware:
    """Over `trigger` of the leeway, condenses to `target`: clears large old tool results, then leaves turns out.

    No turn is left out for the target where clearing alone comes down to `enough`.
    """

    name: ClassVar[PolicyName] = "tokens"
    sums_up: ClassVar[bool] = False
    trigger: float = 0.8
    enough: float = 0.5
    target: float = 0.4

    def decide(self, load: Load) -> Condensed:
        if load.tokens(load.condensed) <= load.share(self.trigger):
            return load.condensed
        return self.reduced(load)

    def reduced(self, load: Load) -> Condensed:
        """The least condensed that meets the target, or at least the limit; the newest turn alone if nothing does."""
        goal, newest = load.share(self.target), len(load.turns) - 1
        found = _clear(load, load.condensed, load.floor, goal)
        if load.tokens(_leave_out(load, found, load.floor, goal)) > load.full:
            found = _clear(load, found, newest, goal)
        if load.tokens(found) > load.share(self.enough):
            found = _leave_out(load, found, load.floor, goal)
        return _leave_out(load, found, newest, load.full)


@dataclass(frozen=True, slots=True)
class FixedWindow:
    """Keeps at most `most_turns`; when there are more, only the newest `kept_turns` stay."""

    name: ClassVar[PolicyName] = "fixed"
    sums_up: ClassVar[bool] = False
    most_turns: int = 10
    kept_turns: int = 6

    def decide(self, load: Load) -> Condensed:
        now = load.condensed
        if len(load.turns) - now.turns > self.most_turns:
            turns = len(load.turns) - self.kept_turns
            now = replace(now, turns=turns, cleared_turns=max(turns, now.cleared_turns))
        return _within(replace(load, condensed=now))


@dataclass(frozen=True, slots=True)
class WholeTask:
    """Keeps the whole task while it is active, and sums it up once it is done."""

    name: ClassVar[PolicyName] = "task"
    sums_up: ClassVar[bool] = True

    def decide(self, load: Load) -> Condensed:
        return _within(load)


_POLICIES: dict[str, Callable[[], Policy]] = {"fixed": FixedWindow, "tokens": TokenAware, "task": WholeTask}


def policy_named(name: str) -> Policy:
    """The policy of a setting.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name not in _POLICIES:
        choices = ", ".join(_POLICIES)
        raise ConfigurationError(f"There is no history policy {name!r}.", suggestion=f"Use one of: {choices}.")
    return _POLICIES[name]()


def _within(load: Load) -> Condensed:
    """What fits stays as it is; what does not is for the token-aware policy."""
    return load.condensed if load.tokens(load.condensed) <= load.full else TokenAware().reduced(load)


def _clear(load: Load, now: Condensed, last: int, goal: float) -> Condensed:
    """Clear turn after turn, the oldest first, until the goal is met or `last` is next."""
    while load.tokens(now) > goal and now.cleared_turns < last:
        now = replace(now, cleared_turns=now.cleared_turns + 1)
    return now


def _leave_out(load: Load, now: Condensed, last: int, goal: float) -> Condensed:
    while load.tokens(now) > goal and now.turns < last:
        now = replace(now, turns=now.turns + 1, cleared_turns=max(now.cleared_turns, now.turns + 1))
    return now
