"""Fits a task into a model's window: measure, let the policy decide, sum up what leaves, and build the view."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator_client.context.history.policy import Policy
from orchestrator_client.context.history.results import shortened
from orchestrator_client.context.history.room import Room, load_of, read_only_of
from orchestrator_client.context.history.summarizer import Summarizer
from orchestrator_client.context.history.turns import turns_of
from orchestrator_client.context.history.view import view
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.models.protocol import ModelRequest
from orchestrator_client.models.tokens import request_tokens

__all__ = ["Fitted", "Windowing"]

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
        room = Room.of(request, window_tokens, scale)
        before = condensed or _NOTHING
        turns = turns_of(request.messages)
        after = self._policy.decide(load_of(request, turns, before, room))
        if after.turns > before.turns:
            summary = await self._summarizer.summarize(before.summary, turns[before.turns : after.turns])
            after = replace(after, summary=summary or before.summary)
        fitted = self.shown(request, after, window_tokens=window_tokens, scale=scale)
        return Fitted(
            request=fitted,
            condensed=condensed if after == before else after,
            changed=after != before,
            left_out_turns=max(0, min(after.turns, len(turns) - 1)),
            estimated_tokens=round(request_tokens(fitted) * room.scale),
        )

    def shown(
        self, request: ModelRequest, condensed: Condensed | None, *, window_tokens: int, scale: float = 1.0
    ) -> ModelRequest:
        """The request as a model sees it with so much condensed; nothing is decided or asked for it."""
        room = Room.of(request, window_tokens, scale)
        fitting = request
        for shares in (room.shares, room.least):
            seen = view(request.messages, condensed, read_only=read_only_of(request.tools), shares=shares)
            excess = request_tokens(replace(request, messages=seen)) - room.tokens
            fitting = replace(request, messages=shortened(seen, excess_tokens=excess) if excess > 0 else seen)
            if request_tokens(fitting) <= room.tokens:
                break
        return fitting

    async def sum_up(self, messages: Sequence[Message], condensed: Condensed | None) -> str:
        """The summary of a finished task; empty if the policy wants none, or none could be made."""
        if not self._policy.sums_up:
            return ""
        before = condensed or _NOTHING
        summary = await self._summarizer.summarize(before.summary, turns_of(messages)[before.turns :])
        return summary or before.summary
