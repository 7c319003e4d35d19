"""Thousands of random histories, each cut by every policy as it grows; `make test-long` draws 10,000."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, product

import pytest

from orchestrator_client.context.history import Fitted, Summarizer, Windowing, policy_named, turns_of, view
from orchestrator_client.context.history.results import shortened
from orchestrator_client.context.history.turns import lead_of
from orchestrator_client.context.history.view import Shares
from orchestrator_client.dialogue.completion import MARKER
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.models.tokens import request_tokens
from tests.support.assistant import is_valid
from tests.support.histories import READ, History, Recounting, history, request_for

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

HISTORIES = int(os.environ.get("SHOPFLOOR_TEST_HISTORIES", "2500"))
CASES = list(product(("fixed", "tokens", "task"), (1_800, 4_000, 12_000, 40_000, 200_000), (0.7, 1.0, 1.6)))
STAND_IN = 80 + 150
"""Tokens that are reserved at least for a summary and the phrases around it."""

LEFT_OUT = "left out for want of room"


@dataclass(frozen=True, slots=True)
class Case:
    windowing: Windowing
    window_tokens: int
    scale: float

    @property
    def room(self) -> int:
        return max(self.window_tokens - 500, self.window_tokens // 2)

    async def fit(self, messages: Sequence[Message], condensed: Condensed | None) -> Fitted:
        return await self.windowing.fit(
            request_for(messages), condensed, window_tokens=self.window_tokens, scale=self.scale
        )


def checkpoints(messages: Sequence[Message]) -> tuple[int, int]:
    """Where a model is asked, after a person's words and after tool results: once in the middle, and at the end."""
    asked = [place for place, message in enumerate(messages, start=1) if message.kind in {"person", "tools"}]
    return asked[len(asked) // 2], asked[-1]


def told(messages: Sequence[Message]) -> str:
    results = (result.content for message in messages for result in message.tool_results)
    return "\n".join([*(message.text for message in messages), *results])


def check_budget(case: Case, fitted: Fitted, log: Sequence[Message]) -> None:
    """Only what is too much even with the newest turn alone, its results cut, may be over the budget."""
    if fitted.estimated_tokens <= case.room:
        return
    newest = Condensed(len(turns_of(log)) - 1, "", len(turns_of(log)))
    least = Shares(ledger=min(200, case.room * 15 // 100), summary=80, context=0)
    smallest = view(log, newest, read_only={READ}, shares=least)
    cut = request_tokens(request_for(shortened(smallest, excess_tokens=10**9))) + STAND_IN
    assert cut * case.scale > case.room * 0.95


def check_kept(made: History, fitted: Fitted, log: Sequence[Message]) -> None:
    """Everything planted is in the prompt, or it is said that something is not.

    Of the user's data it is those in the middle, and no instruction before all others are left out.
    """
    prompt = told(fitted.request.messages)
    kept_from = len(log) - sum(map(len, turns_of(log)[fitted.left_out_turns :]))
    opening = lead_of(log)
    for planted in (made.data, made.records, made.errors):
        kept = [text in prompt for place, text in planted if opening < place < kept_from]
        assert all(kept) or LEFT_OUT in prompt
    said = [(log[place].text, text in prompt) for place, text in made.data if opening < place < kept_from]
    instructions = [kept for text, kept in said if "always" in text]
    plain = [kept for text, kept in said if "always" not in text]
    assert [kept for kept, _ in groupby(plain)].count(False) <= 1
    assert all(instructions) or not any(plain)
    assert all(text in prompt for place, text in made.data if place == opening)


def check_whole(fitted: Fitted, log: Sequence[Message]) -> None:
    """The newest turns stand there whole, in order, and pairs are intact."""
    shown = fitted.request.messages
    assert is_valid(shown)
    kept = [message for turn in turns_of(log)[fitted.left_out_turns :] for message in turn]
    assert [bare(message) for message in shown[len(shown) - len(kept) :]] == [bare(message) for message in kept]


def bare(message: Message) -> object:
    """A message without the words of its results, which may be cut."""
    return (
        message.role,
        message.text,
        message.tool_uses,
        [(r.tool_use_id, r.structured) for r in message.tool_results],
    )


async def check(case: Case, made: History, *, again: bool) -> bool:
    """Everything that must hold for one history; whether something was left out. `again`: the same once more."""
    before = made.fingerprint()
    middle, end = (made.messages[:place] for place in checkpoints(made.messages))
    first = await case.fit(middle, None)
    last = await case.fit(end, first.condensed)
    for log, fitted in ((middle, first), (end, last)):
        check_whole(fitted, log)
        check_kept(made, fitted, log)
        check_stand_in(fitted)
    check_progress(first, last)
    check_budget(case, last, end)
    assert not again or last == await case.fit(end, first.condensed)
    assert made.fingerprint() == before
    return last.left_out_turns > 0


def check_stand_in(fitted: Fitted) -> None:
    """One message stands for what is left out, and nothing in it can end the task."""
    start = f"The {fitted.left_out_turns} oldest"
    texts = [message.text for message in fitted.request.messages if message.text.startswith(start)]
    assert len(texts) == (1 if fitted.left_out_turns else 0)
    assert not any(MARKER in text for text in texts)


def check_progress(first: Fitted, last: Fitted) -> None:
    """The cut only moves on, and where it stays, the prompt only grows at its end."""
    after, before = last.condensed or Condensed(0, ""), first.condensed or Condensed(0, "")
    assert after.cleared_turns >= after.turns >= before.turns
    shown, earlier = last.request.messages, first.request.messages
    if not last.changed and not any("[Cut here" in told(messages) for messages in (shown, earlier)):
        assert shown[: len(earlier)] == earlier


async def test_thousands_of_histories_keep_pairs_budget_ledger_and_log() -> None:
    summarizer = Summarizer(Recounting())
    cases = [Case(Windowing(policy_named(name), summarizer), window, scale) for name, window, scale in CASES]
    condensed = 0
    for seed in range(HISTORIES):
        condensed += await check(cases[seed % len(cases)], history(seed), again=seed % 4 == 0)
    assert condensed > HISTORIES / 5
