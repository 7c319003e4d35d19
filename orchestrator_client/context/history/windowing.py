"""Fits a task into a model's window: measure, let the policy decide, sum up what leaves, and build the view."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from orchestrator_client.context.history.policy import Load, Policy, TurnLoad
from orchestrator_client.context.history.results import cleared, shortened
from orchestrator_client.context.history.summarizer import MOST_SUMMARY_TOKENS, Summarizer
from orchestrator_client.context.history.turns import floor_of, lead_of, turns_of
from orchestrator_client.context.history.view import MOST_CONTEXT_TOKENS, MOST_LEDGER_TOKENS, view
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.models.protocol import ModelRequest, ToolSpec
from orchestrator_client.models.tokens import message_tokens, messages_tokens, request_tokens

__all__ = ["Fitted", "Windowing"]

_LEAST_SCALE, _MOST_SCALE = 0.5, 3.0
_SHARE_OF_LEDGER = 0.15
_SHARE_OF_CONTEXT = 0.25
_PHRASES = 150  # tokens of the message around summary and ledger
_NOTHING = Condensed(0, "")


@dataclass(frozen=True, slots=True)
class Fitted:
    """`request` is what to send, `condensed` what to remember if it `changed`.

    `estimated_tokens` is what the request should be reported as: the estimate times the scale.
    """

    request: ModelRequest
    condensed: Condensed | None
    changed: bool
    left_out_turns: int
    estimated_tokens: int


class Windowing:
    """One policy over the logs of any number of tasks. It keeps nothing of them."""

    def __init__(self, policy: Policy, summarizer: Summarizer) -> None:
        self._policy = policy
        self._summarizer = summarizer

    async def fit(
        self, request: ModelRequest, condensed: Condensed | None, *, window_tokens: int, scale: float = 1.0
    ) -> Fitted:
        """The request with the window over its messages, which must be all of the task.

        `window_tokens` is what the model takes, input and output together. `scale` is what the model reported for the
        last request, divided by what that request was estimated at.
        """
        scale = min(max(scale, _LEAST_SCALE), _MOST_SCALE)
        room = _Room.of(request, window_tokens)
        before = condensed or _NOTHING
        turns = turns_of(request.messages)
        after = self._policy.decide(_load(request, turns, before, room, scale))
        if after.turns > before.turns:
            summary = await self._summarizer.summarize(before.summary, turns[before.turns : after.turns])
            after = replace(after, summary=summary or before.summary)
        fitted = self.shown(request, after, window_tokens=window_tokens, scale=scale)
        return Fitted(
            request=fitted,
            condensed=condensed if after == before else after,
            changed=after != before,
            left_out_turns=max(0, min(after.turns, len(turns) - 1)),
            estimated_tokens=round(request_tokens(fitted) * scale),
        )

    def shown(
        self, request: ModelRequest, condensed: Condensed | None, *, window_tokens: int, scale: float = 1.0
    ) -> ModelRequest:
        """The request as a model sees it with so much condensed; nothing is decided or asked for it."""
        room = _Room.of(request, window_tokens)
        seen = view(
            request.messages,
            condensed,
            read_only=_read_only(request.tools),
            ledger_tokens=room.ledger,
            context_tokens=room.context,
        )
        windowed = replace(request, messages=seen)
        excess = request_tokens(windowed) - int(room.tokens / scale)
        return windowed if excess <= 0 else replace(request, messages=shortened(seen, excess_tokens=excess))

    async def sum_up(self, messages: Sequence[Message], condensed: Condensed | None) -> str:
        """The summary of a finished task; empty if the policy wants none, or none could be made."""
        if not self._policy.sums_up:
            return ""
        before = condensed or _NOTHING
        summary = await self._summarizer.summarize(before.summary, turns_of(messages)[before.turns :])
        return summary or before.summary


@dataclass(frozen=True, slots=True)
class _Room:
    """Tokens that a request may have, and the shares of them. They depend on the window alone, to stay the same."""

    tokens: int
    ledger: int
    context: int

    @classmethod
    def of(cls, request: ModelRequest, window_tokens: int) -> "_Room":
        """A model whose answer may be as long as its window still has to be asked something."""
        tokens = max(window_tokens - request.max_tokens, window_tokens // 2)
        return cls(
            tokens=tokens,
            ledger=min(MOST_LEDGER_TOKENS, int(tokens * _SHARE_OF_LEDGER)),
            context=min(MOST_CONTEXT_TOKENS, int(tokens * _SHARE_OF_CONTEXT)),
        )


def _load(
    request: ModelRequest, turns: Sequence[Sequence[Message]], condensed: Condensed, room: _Room, scale: float
) -> Load:
    """The load in unscaled tokens; instead, the room is scaled."""
    lead = request.messages[: lead_of(request.messages)]
    fixed = request_tokens(replace(request, messages=lead))
    read_only = _read_only(request.tools)
    first = [_turn_load(turns[0][len(lead) :], read_only)] if turns else []
    return Load(
        room=int(room.tokens / scale),
        fixed=fixed,
        stand_in=room.ledger + MOST_SUMMARY_TOKENS + _PHRASES,
        turns=(*first, *(_turn_load(turn, read_only) for turn in turns[1:])),
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


def _read_only(tools: Sequence[ToolSpec]) -> frozenset[str]:
    return frozenset(tool.name for tool in tools if tool.read_only)
