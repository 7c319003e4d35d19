"""The tokens that a request may have, how they are shared out, and what a task weighs against them.

Everything is in unscaled tokens, as they are estimated; it is the room that is scaled.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from orchestrator_client.context.history.policy import Load, TurnLoad
from orchestrator_client.context.history.results import cleared, shortened
from orchestrator_client.context.history.turns import floor_of, lead_of
from orchestrator_client.context.history.view import MOST, Shares, stand_in_of
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.models.protocol import ModelRequest, ToolSpec
from orchestrator_client.models.tokens import message_tokens, messages_tokens, request_tokens

__all__ = ["Room", "load_of", "read_only_of"]

_LEAST_SCALE, _MOST_SCALE = 0.5, 3.0
_STEPS_OF_SCALE = 4  # to 1
_CERTAIN = 0.985
"""The share of the room that is used; the estimate is off by so much from one request to the next."""

_SHARE_OF_LEDGER = 0.4
_SHARE_OF_SUMMARY = 0.25
_SHARE_OF_CONTEXT = 0.25
_LEAST = Shares(ledger=200, summary=80, context=0)
_LEAST_SHARE_OF_LEDGER = 0.15  # of all, where even the least is much
_PHRASES = 150  # tokens of the message around summary and ledger
_SHARE_OF_NEWEST = 0.6
"""What the newest turn takes of the leeway at most, where its results can be cut; the rest is for the turns before."""


@dataclass(frozen=True, slots=True)
class Room:
    """`tokens` is what a request may have, `fixed` what it has anyway: system prompt, tools and first context.

    `scale` is within its bounds. `shares` are for what stands for turns left out; `least` are those where nothing else
    can be shortened.
    """

    scale: float
    tokens: int
    fixed: int
    shares: Shares
    least: Shares

    @classmethod
    def of(cls, request: ModelRequest, window_tokens: int, scale: float) -> "Room":
        """A model whose answer may be as long as its window still has to be asked something.

        The shares stay the same while the scale moves a little, so that a cached prefix stays valid.
        """
        scale = min(max(scale, _LEAST_SCALE), _MOST_SCALE)
        stepped = math.ceil(scale * _STEPS_OF_SCALE) / _STEPS_OF_SCALE
        tokens = max(window_tokens - request.max_tokens, window_tokens // 2)
        fixed = request_tokens(replace(request, messages=request.messages[: lead_of(request.messages)]))
        least = replace(_LEAST, ledger=min(_LEAST.ledger, int(tokens * _LEAST_SHARE_OF_LEDGER)))
        return cls(scale, int(tokens * _CERTAIN / scale), fixed, _shares(int(tokens / stepped) - fixed, least), least)

    @property
    def stand_in(self) -> int:
        return self.shares.ledger + self.shares.summary + _PHRASES


def _shares(free: int, least: Shares) -> Shares:
    return Shares(
        ledger=min(MOST.ledger, max(least.ledger, int(free * _SHARE_OF_LEDGER))),
        summary=min(MOST.summary, max(least.summary, int(free * _SHARE_OF_SUMMARY))),
        context=min(MOST.context, max(least.context, int(free * _SHARE_OF_CONTEXT))),
    )


def load_of(request: ModelRequest, turns: Sequence[Sequence[Message]], condensed: Condensed, room: Room) -> Load:
    """What the policies decide by."""
    read_only = read_only_of(request.tools)
    lead = lead_of(request.messages)
    own = [turns[0][lead:], *turns[1:]] if turns else []
    loads = [_turn_load(turn, read_only) for turn in own]
    standing = stand_in_of(request.messages, condensed, read_only=read_only, shares=room.shares)
    stand_in = room.stand_in
    if loads:
        most = int((room.tokens - room.fixed - stand_in) * _SHARE_OF_NEWEST)
        excess = loads[-1].whole - most
        loads[-1] = replace(loads[-1], whole=messages_tokens(shortened(own[-1], excess_tokens=excess)))
    return Load(
        room=room.tokens,
        fixed=room.fixed,
        stand_in=stand_in,
        standing=message_tokens(standing) if standing else 0,
        context=room.shares.context,
        turns=tuple(loads),
        floor=floor_of(turns),
        condensed=condensed,
    )


def _turn_load(turn: Sequence[Message], read_only: Collection[str]) -> TurnLoad:
    whole = messages_tokens(turn)
    stubbed = zip(turn, cleared(turn, read_only=read_only), strict=True)
    return TurnLoad(
        whole=whole,
        cleared=whole - sum(message_tokens(full) - message_tokens(stub) for full, stub in stubbed if full is not stub),
        left=sum(message_tokens(message) for message in turn if message.kind == "context"),
    )


def read_only_of(tools: Sequence[ToolSpec]) -> frozenset[str]:
    return frozenset(tool.name for tool in tools if tool.read_only)
