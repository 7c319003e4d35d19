from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator_client.dialogue.messages import (
    Message,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    assistant,
    context,
    note,
    user,
)
from orchestrator_client.errors import ModelError, ModelMisbehaved, ModelRejected, ModelUnavailable
from orchestrator_client.models.guided import GuidedModel
from orchestrator_client.models.protocol import Capabilities, ModelRequest, RouteOption, TopicBrief
from orchestrator_client.models.scripted import ScriptedModel, Step, fail, reply, topic
from orchestrator_client.routing.topic import TOPIC_TOOL, Topic, TopicDetector

pytestmark = pytest.mark.anyio

OPTIONS = (
    RouteOption("quality", "Quality plans.", ("plan for the housing",)),
    RouteOption("issues", "Problems.", ("it leaks",)),
    RouteOption("general", "Anything else.", ("hello",)),
)
NO_TOOLS = Capabilities(strict_tools=False, caching=False, token_counting=False)
RECENT = (user("Create a quality plan"), assistant("Which material?"))


async def checked(step: Step, *, agent: str = "quality", capabilities: Capabilities | None = None) -> Topic:
    async with ScriptedModel([replace(step, expect="topic")], capabilities=capabilities) as model:
        detector = TopicDetector(OPTIONS, fallback="general")
        return await detector.check(model, "the press leaks", agent=agent, goal="Create a quality plan", recent=RECENT)


async def asked(*recent: Message, message: str = "it leaks", capabilities: Capabilities | None = None) -> ModelRequest:
    """The request that the detector makes."""
    model = ScriptedModel(
        [topic(None) if capabilities is None else reply("SAME", expect="topic")], capabilities=capabilities
    )
    detector = TopicDetector(OPTIONS, fallback="general")
    await detector.check(model, message, agent="quality", goal="Create a quality plan", recent=recent)
    return model.requests[0]


def answered(**decision: Any) -> Step:
    return reply(calls=[ToolUseBlock(id="t", name=TOPIC_TOOL, input=decision)])


async def test_a_clear_switch_is_reported_with_the_agent_for_the_new_task() -> None:
    found = await checked(topic("issues", confidence=0.9, reason="a leak"))
    assert found == Topic(switch=True, agent="issues", confidence=0.9, reason="a leak", asked=True)


async def test_the_same_task_is_reported_without_an_agent() -> None:
    found = await checked(topic(None, reason="an answer"))
    assert found == Topic(switch=False, agent=None, confidence=0.95, reason="an answer", asked=True)


@pytest.mark.parametrize(
    ("agent", "confidence", "switch"),
    [("issues", 0.75, True), ("issues", 0.74, False), ("quality", 0.9, True), ("quality", 0.89, False)],
)
async def test_leaving_a_task_takes_more_certainty_most_of_all_for_a_second_one_of_its_kind(
    agent: str, confidence: float, switch: bool
) -> None:
    found = await checked(topic(agent, confidence=confidence), agent="quality")
    assert found.switch is switch
    assert found.agent == (agent if switch else None)


@pytest.mark.parametrize(
    "decision",
    [
        {},
        {"switch": True},
        {"switch": True, "agent": "issues"},
        {"switch": "true", "agent": "issues", "confidence": 1},
        {"switch": 1, "agent": "issues", "confidence": 1},
        {"switch": True, "agent": "robots", "confidence": 1},
        {"switch": True, "agent": ["issues"], "confidence": 1},
        {"switch": True, "agent": "general", "confidence": 1},
        {"switch": True, "agent": "issues", "confidence": "high"},
        {"switch": True, "agent": "issues", "confidence": 7},
        {"switch": False, "agent": "issues", "confidence": 1},
    ],
)
async def test_an_answer_that_leaves_doubt_means_the_same_task(decision: dict[str, Any]) -> None:
    found = await checked(answered(**decision))
    assert (found.switch, found.agent) == (False, None)


@pytest.mark.parametrize("error", [ModelUnavailable("529"), ModelRejected("400"), ModelMisbehaved("no reply")])
async def test_a_model_that_fails_means_the_same_task(error: ModelError) -> None:
    found = await checked(fail(error, chunks=("SWITCH issues",)))
    assert found == Topic(
        switch=False, agent=None, confidence=0.0, reason=f"the detector failed: {error.code}", asked=True
    )


@pytest.mark.parametrize(
    "text",
    [
        "SWITCH issues",
        "switch: issues\n\n",
        "**SWITCH** `issues`",
        "Switch to issues.",
        "\n\nAnswer: SWITCH issues",
        "<|im_start|>assistant\nSWITCH issues<|im_end|>",
        '{"switch": true, "agent": "issues", "confidence": 0.8, "reason": ""}',
    ],
)
@pytest.mark.parametrize("capabilities", [None, NO_TOOLS])
async def test_a_switch_in_plain_text_counts(text: str, capabilities: Capabilities | None) -> None:
    found = await checked(reply(text), capabilities=capabilities)
    assert (found.switch, found.agent) == (True, "issues")


@pytest.mark.parametrize(
    "text", ["SAME", "same.", "", "\n" * 9_000, "SWITCH", "SWITCH general", "SWITCH quality", "issues", "Maybe SWITCH"]
)
async def test_any_other_plain_text_means_the_same_task(text: str) -> None:
    assert not (await checked(reply(text), capabilities=NO_TOOLS)).switch


async def test_a_server_without_strict_tools_gets_no_tool() -> None:
    strict, plain = await asked(), await asked(capabilities=NO_TOOLS)
    assert (strict.tool_choice, strict.tools[0].strict) == (TOPIC_TOOL, True)
    assert strict.tools[0].input_schema["properties"]["agent"]["enum"] == ["quality", "issues", "general"]
    assert (plain.tool_choice, plain.tools) == (None, ())
    assert "SAME, or SWITCH" in plain.system


async def test_the_model_sees_the_goal_the_last_three_readable_messages_and_the_new_one() -> None:
    call = ToolUseBlock(id="c", name="get_specs", input={"secret": 1})
    request = await asked(
        context("Plant data"),
        user("Create a quality plan"),
        assistant("Which project?"),
        user("Alpha"),
        Message(role="assistant", blocks=(TextBlock(text="I look."), call)),
        Message(role="user", blocks=(ToolResultBlock(tool_use_id="c", content="tool text"),)),
        note("[orchestrator] try again"),
        assistant("Which material?\n1 housing"),
        message="it leaks\nSpecialist: done",
    )
    assert request.messages[0].text.splitlines() == [
        "Task under way: quality.",
        'It began with: "Create a quality plan"',
        "Last messages:",
        'Person: "Alpha"',
        'Specialist: "I look."',
        'Specialist: "Which material?\\n1 housing"',
        "New message:",
        "it leaks",
        "Specialist: done",
    ]
    assert isinstance(request.brief, TopicBrief)
    assert request.brief.recent[0] == user("Alpha")


async def test_the_system_prompt_is_the_same_for_every_task_and_message() -> None:
    first, second = await asked(user("a")), await asked(user("b"), assistant("c"), message="else")
    assert first.system == second.system


async def test_long_texts_are_cut() -> None:
    request = await asked(user("a" * 50_000), assistant("b" * 50_000), message="c" * 50_000)
    assert len(request.messages[0].text) < 5_000


async def test_a_message_without_words_costs_no_call() -> None:
    detector = TopicDetector(OPTIONS, fallback="general")
    async with ScriptedModel([]) as model:
        found = await detector.check(model, " \n", agent="quality", goal="x", recent=())
    assert (found.switch, found.asked, model.requests) == (False, False, [])


async def test_the_guided_model_answers_through_the_same_question() -> None:
    detector = TopicDetector(OPTIONS, fallback="general")
    found = await detector.check(GuidedModel(), "the blue one", agent="quality", goal="Create a plan", recent=RECENT)
    assert (found.switch, found.asked) == (False, True)


@pytest.mark.parametrize("step", [topic("issues"), topic(None), fail(ModelUnavailable("529")), reply("hm")])
async def test_every_check_is_logged_once(step: Step) -> None:
    with capture_logs() as logs:
        found = await checked(step)
    (entry,) = logs
    assert entry["event"] == "topic checked"
    assert (entry["switch"], entry["agent"], entry["task_agent"]) == (found.switch, found.agent, "quality")
    assert (entry["confidence"], entry["reason"], entry["model"]) == (found.confidence, found.reason, "scripted")
    assert entry["duration_ms"] >= 0
