from itertools import pairwise

import pytest

from orchestrator_client.context.history import Fitted, Summarizer, Windowing, policy_named
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock, user
from orchestrator_client.errors import ModelUnavailable
from orchestrator_client.models.protocol import ModelRequest
from orchestrator_client.models.scripted import ScriptedModel, fail, reply
from orchestrator_client.models.tokens import request_tokens
from tests.support.assistant import is_valid
from tests.support.histories import READ, Recounting, fitted_turns, long_task, request_for, summarizing

pytestmark = pytest.mark.anyio

POLICIES = ["fixed", "tokens", "task"]
FACTS = ("HSG-FC57", "42.000", "+0.025/-0", "Bosch Rexroth", "G-17", "always")
"""What the user gave in the first two turns of the long task."""


def log_of(turns: int) -> list[Message]:
    return [message for turn in long_task(turns) for message in turn][:-1]


def windowing(policy: str, model: Recounting | ScriptedModel | None = None) -> Windowing:
    return Windowing(policy_named(policy), Summarizer(model or Recounting()))


async def fit(policy: str, turns: int, *, window: int = 200_000, scale: float = 1.0) -> Fitted:
    return await windowing(policy).fit(request_for(log_of(turns)), None, window_tokens=window, scale=scale)


@pytest.mark.parametrize("policy", POLICIES)
async def test_over_a_hundred_turns_prompts_stay_flat_and_keep_the_facts_of_turn_2(policy: str) -> None:
    requests = list[ModelRequest]()
    curve = await fitted_turns(policy_named(policy), turns=100, window_tokens=16_000, seen=requests.append)
    assert max(curve[60:]) <= 1.25 * max(curve[20:60])
    assert max(curve) <= 15_500
    for request in requests[2:]:
        told = "\n".join(message.text for message in request.messages)
        assert all(fact in told for fact in FACTS)
    assert "Earlier in this task (summary)" in requests[-1].messages[1].text


@pytest.mark.parametrize("policy", POLICIES)
async def test_the_prompt_only_grows_at_its_end_on_most_turns(policy: str) -> None:
    """What a cache needs: the messages of the last request are the first ones of this."""
    requests = list[ModelRequest]()
    await fitted_turns(policy_named(policy), turns=60, window_tokens=16_000, seen=requests.append)
    moved = sum(after.messages[: len(before.messages)] != before.messages for before, after in pairwise(requests))
    assert 0 < moved <= 12


async def test_a_short_task_is_sent_as_it_is() -> None:
    fitted = await fit("tokens", 3)
    assert fitted.request == request_for(log_of(3))
    assert (fitted.condensed, fitted.changed, fitted.left_out_turns) == (None, False, 0)
    assert fitted.estimated_tokens == request_tokens(fitted.request)


async def test_what_was_condensed_is_the_same_the_next_time() -> None:
    first = await fit("fixed", 11)
    again = await windowing("fixed").fit(request_for(log_of(11)), first.condensed, window_tokens=200_000)
    assert first.changed
    assert not again.changed
    assert again.request == first.request


async def test_a_model_that_counts_more_than_the_estimate_is_condensed_for_sooner() -> None:
    assert not (await fit("tokens", 20, window=32_000)).changed
    scaled = await fit("tokens", 20, window=32_000, scale=2.9)
    assert scaled.changed
    assert scaled.estimated_tokens == pytest.approx(2.9 * request_tokens(scaled.request), abs=1)


@pytest.mark.parametrize(("scale", "bounded"), [(0.0, 0.5), (100.0, 3.0)])
async def test_an_absurd_scale_is_bounded(scale: float, bounded: float) -> None:
    assert await fit("tokens", 20, window=32_000, scale=scale) == await fit("tokens", 20, window=32_000, scale=bounded)


async def test_only_turns_that_newly_leave_are_summed_up() -> None:
    model = Recounting("Intent: a plan.")
    await windowing("fixed", model).fit(request_for(log_of(16)), Condensed(5, "So far.", 5), window_tokens=200_000)
    [request] = model.requests
    text = request.messages[0].text
    assert "So far." in text
    assert "Row 5 is" not in text
    assert "Row 6 is" in text
    assert "Row 10 is" in text
    assert "Row 11 is" not in text


async def test_without_a_new_summary_the_old_one_stays() -> None:
    async with summarizing(fail(ModelUnavailable("busy"))) as model:
        before = Condensed(5, "So far.", 5)
        fitted = await windowing("fixed", model).fit(request_for(log_of(16)), before, window_tokens=200_000)
    assert fitted.condensed == Condensed(10, "So far.", 10)


async def test_a_newest_turn_that_does_not_fit_has_its_largest_results_cut() -> None:
    uses = tuple(ToolUseBlock(id=str(n), name=READ, input={}) for n in range(3))
    contents = ("a" * 90_000, "b" * 200, "c" * 30_000)
    results = (ToolResultBlock(tool_use_id=u.id, content=c) for u, c in zip(uses, contents, strict=True))
    log = [*log_of(3), user("all"), Message(role="assistant", blocks=uses), Message(role="user", blocks=tuple(results))]
    fitted = await windowing("tokens").fit(request_for(log), None, window_tokens=16_000)
    assert fitted.estimated_tokens <= 15_500
    assert is_valid(fitted.request.messages)
    [large, small, middle] = [result.content for result in fitted.request.messages[-1].tool_results]
    assert "Cut here to save room" in large
    assert small == "b" * 200
    assert middle == "c" * 30_000
    assert log[-1].tool_results[0].content == "a" * 90_000


async def test_a_window_as_small_as_the_answer_may_be_is_still_used() -> None:
    request = request_for(log_of(3), max_tokens=4_096)
    fitted = await windowing("tokens").fit(request, None, window_tokens=4_096)
    assert 0 < fitted.estimated_tokens <= 2_048


async def test_what_is_shown_is_what_was_sent() -> None:
    for window in (8_000, 32_000):
        fitted = await fit("tokens", 40, window=window)
        request = request_for(log_of(40))
        assert windowing("tokens").shown(request, fitted.condensed, window_tokens=window) == fitted.request


async def test_a_finished_task_is_summed_up_where_the_policy_wants_it() -> None:
    async with summarizing(reply("Intent: done.")) as model:
        assert await windowing("task", model).sum_up(log_of(4), Condensed(2, "So far.", 2)) == "Intent: done."
    text = model.requests[0].messages[0].text
    assert "So far." in text
    assert "Row 2 is" not in text
    assert "Row 3 is" in text
    async with summarizing() as unasked:
        assert await windowing("tokens", unasked).sum_up(log_of(4), None) == ""


async def test_a_finished_task_keeps_the_summary_it_had_if_no_new_one_can_be_made() -> None:
    async with summarizing(reply("None")) as model:
        assert await windowing("task", model).sum_up(log_of(4), Condensed(2, "So far.", 2)) == "So far."
