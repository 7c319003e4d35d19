from dataclasses import replace

import pytest

from orchestrator_client.agents.loop import GaveUp
from orchestrator_client.agents.registry import Limits
from orchestrator_client.dialogue.effects import Effects, effects_in
from orchestrator_client.dialogue.messages import assistant, note, user
from orchestrator_client.models.protocol import Usage
from orchestrator_client.models.scripted import call, reply
from tests.support.agent_desk import AGENT, DONE, SAID, TALKER, desk, log_issue
from tests.support.plants import Plant

pytestmark = pytest.mark.anyio


async def test_an_agent_that_comes_to_no_end_is_stopped(plant: Plant) -> None:
    agent = replace(AGENT, limits=Limits(model_calls=3))
    steps = [call("get_machines", {"limit": number}) for number in (1, 2, 3)]
    async with desk(plant, steps, agent) as at:
        with pytest.raises(GaveUp, match="did not come to an end within 3 steps"):
            await at.answer()


async def test_a_message_with_too_many_calls_is_stopped_before_the_first_and_leaves_no_doubt(plant: Plant) -> None:
    uses = [log_issue(f"leak {number}", number=number) for number in range(3)]
    async with desk(plant, [reply(calls=uses)], replace(AGENT, limits=Limits(tool_calls=2))) as at:
        with pytest.raises(GaveUp, match="more than 2 tool calls"):
            await at.answer()
    assert plant.effects == []
    assert [result.tool_use_id for result in at.results] == [use.id for use in uses]
    assert effects_in(at.remembered, read_only=frozenset()) == Effects()


async def test_an_answer_that_was_cut_off_calls_nothing_and_leaves_no_doubt(plant: Plant) -> None:
    async with desk(plant, [reply(calls=[log_issue()], stop_reason="max_tokens")]) as at:
        with pytest.raises(GaveUp, match="cut off"):
            await at.answer()
    assert plant.effects == []
    assert effects_in(at.remembered, read_only=frozenset()) == Effects()


@pytest.mark.parametrize(
    ("usage", "limit", "enough"),
    [(Usage(90, 10), 101, True), (Usage(90, 10), 100, False), (Usage(), 100_000, True), (Usage(), 20, False)],
    ids=["reported, below", "reported, reached", "estimated, below", "estimated, reached"],
)
async def test_tokens_of_all_replies_count_as_reported_or_estimated(usage: Usage, limit: int, enough: bool) -> None:
    steps = [reply("Looking", stop_reason="pause", usage=usage), reply("Which machine?", usage=usage)]
    agent = replace(TALKER, limits=Limits(tokens=limit))
    async with desk(None, steps if enough else steps[:1], agent) as at:
        if enough:
            assert (await at.answer()).text == "Which machine?"
        else:
            with pytest.raises(GaveUp, match=rf"has used [\d,]+ tokens; {limit} is the limit"):
                await at.answer()


async def test_what_the_last_reply_cost_does_not_take_its_answer_away() -> None:
    async with desk(None, [reply("Which?", usage=Usage(900, 100))], replace(AGENT, limits=Limits(tokens=10))) as at:
        assert (await at.answer()).text == "Which?"


async def test_only_the_persons_messages_count_against_the_turns_of_a_task() -> None:
    agent = replace(AGENT, limits=Limits(turns=2))
    second = [*SAID, assistant("Which?"), note("[orchestrator] Not accepted."), assistant("Which?"), user("LT-131")]
    async with desk(None, [reply("Where?")], agent) as at:
        await at.answer(second)
    async with desk(None, [], agent) as at:
        with pytest.raises(GaveUp, match="has taken 2 messages from you"):
            await at.answer([*second, assistant("Where?"), user("Hall 2")])


async def test_a_completion_within_the_limits_is_not_lost_to_them(plant: Plant) -> None:
    agent = replace(AGENT, limits=Limits(model_calls=2, tool_calls=1))
    async with desk(plant, [call("log_issue", {"note": "leak"}), reply(DONE)], agent) as at:
        assert (await at.answer()).text == "Stored as I-1."
