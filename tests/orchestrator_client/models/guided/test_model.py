import pytest

from orchestrator_client.dialogue.completion import MARKER, claims_completion
from orchestrator_client.dialogue.messages import Message, OpaqueBlock, ToolResultBlock, ToolUseBlock, user
from orchestrator_client.errors import ModelMisbehaved
from orchestrator_client.models.guided import GuidedModel
from orchestrator_client.models.protocol import (
    AgentBrief,
    Brief,
    Goal,
    ModelReply,
    ModelRequest,
    RouteBrief,
    RouteOption,
    SummaryBrief,
    TextDelta,
    ToolSpec,
)

pytestmark = pytest.mark.anyio

OPTIONS = (
    RouteOption("issues", "Problems.", ("it leaks", "report a problem")),
    RouteOption("quality", "Quality plans.", ("create a quality plan",)),
    RouteOption("silent", "Nothing to show.", ()),
    RouteOption("general", "Anything else.", ("hello",)),
)
SCHEMA = {
    "properties": {"title": {"type": "string"}, "place": {"type": "string"}, "dry_run": {"type": "boolean"}},
    "required": ["title", "place"],
}
REPORT = ToolSpec("report", "Report a problem.", SCHEMA)
BRIEF = AgentBrief("issues", "Issues", (Goal("report"),), "report a problem", {})
OPENING = (user("Today is 2026-11-22."), user("report a problem"))


async def replied(brief: Brief, *messages: Message, tools: tuple[ToolSpec, ...] = (REPORT,)) -> ModelReply:
    """The reply; the text that was streamed before it is the same."""
    events = [event async for event in GuidedModel().stream(ModelRequest(brief, "", messages, tools, "route"))]
    reply = events[-1]
    assert isinstance(reply, ModelReply)
    assert "".join(event.text for event in events[:-1] if isinstance(event, TextDelta)) == reply.message.text
    return reply


async def conversation(*turns: Message) -> list[Message]:
    """The opening, and each turn with the model's reply before it."""
    messages = list(OPENING)
    for turn in turns:
        messages += [(await replied(BRIEF, *messages)).message, turn]
    return messages


def result(use: ToolUseBlock, *, is_error: bool = False, **structured: object) -> Message:
    return Message(
        role="user",
        blocks=(ToolResultBlock(tool_use_id=use.id, content="", structured=structured, is_error=is_error),),
    )


@pytest.mark.parametrize(
    ("message", "agent"), [("the hose leaks", "issues"), ("Quality plan, please", "quality"), ("zzz", "general")]
)
async def test_it_routes_through_the_forced_tool_by_likeness(message: str, agent: str) -> None:
    reply = await replied(RouteBrief(message, OPTIONS, "general"), user(message))
    (use,) = reply.message.tool_uses
    assert (reply.stop_reason, use.name, use.input["agent"]) == ("tool_use", "route", agent)


async def test_for_a_conversation_it_says_what_it_is_and_what_can_be_said() -> None:
    brief = AgentBrief("general", "General", (), "there is a problem", {}, OPTIONS)
    reply = await replied(brief, user("there is a problem"))
    assert reply.stop_reason == "end_turn"
    assert "without a language model I cannot chat" in reply.message.text
    assert reply.message.text.splitlines()[1:] == [
        "  - report a problem",
        "  - create a quality plan",
        "  - Nothing to show.",
    ]


async def test_it_remembers_its_form_in_the_conversation_alone() -> None:
    messages = await conversation(user("Leak"), user("LT-131"))
    reply = await replied(BRIEF, *messages)
    assert reply.stop_reason == "tool_use"
    assert reply.message.tool_uses[0].input == {"title": "Leak", "place": "LT-131", "dry_run": True}
    assert await replied(BRIEF, *messages) == reply


async def test_it_ends_with_the_marker_once_the_goal_is_reached_and_never_before() -> None:
    messages = await conversation(user("Leak"), user("LT-131"))
    assert not any(MARKER in message.text for message in messages)
    check = (await replied(BRIEF, *messages)).message
    messages += [check, result(check.tool_uses[0], status="created", dry_run=True)]
    summary = (await replied(BRIEF, *messages)).message
    assert not claims_completion(summary.text)
    messages += [summary, user("yes")]
    write = (await replied(BRIEF, *messages)).message
    assert write.tool_uses[0].input == {"title": "Leak", "place": "LT-131"}
    assert write.tool_uses[0].id != check.tool_uses[0].id
    last = await replied(BRIEF, *messages, write, result(write.tool_uses[0], status="created", record={"id": "I-1"}))
    assert last.stop_reason == "end_turn"
    assert claims_completion(last.message.text)


async def test_what_was_said_during_a_call_does_not_answer_what_came_of_it() -> None:
    messages = await conversation(user("Leak"), user("LT-131"))
    check = (await replied(BRIEF, *messages)).message
    messages += [check, result(check.tool_uses[0], status="created", dry_run=True), user("yes")]
    reply = await replied(BRIEF, *messages)
    assert reply.stop_reason == "end_turn"
    assert "Nothing is stored yet." in reply.message.text


async def test_a_memory_of_another_version_is_dropped_and_the_form_begun_again() -> None:
    alien = Message(role="assistant", blocks=(OpaqueBlock(provider="guided", data={"shape": "unknown"}),))
    reply = await replied(BRIEF, *OPENING, alien, user("Leak"))
    assert reply.message.text.startswith("Title")


async def test_a_form_whose_tool_is_gone_is_begun_again_with_what_is_left() -> None:
    messages = await conversation(user("Leak"))
    other = ToolSpec("other", "Do something else.", {"properties": {"what": {"type": "string"}}, "required": ["what"]})
    brief = AgentBrief("issues", "Issues", (Goal("other"),), "report a problem", {})
    reply = await replied(brief, *messages, tools=(other,))
    assert reply.message.text.startswith("What")


async def test_thoughts_of_another_model_are_no_memory() -> None:
    thought = Message(role="assistant", blocks=(OpaqueBlock(provider="anthropic", data={"thinking": "…"}),))
    reply = await replied(BRIEF, *OPENING, thought, user("Leak"))
    assert reply.message.text.startswith("Title")


async def test_it_keeps_no_summaries() -> None:
    with pytest.raises(ModelMisbehaved):
        await replied(SummaryBrief(), user("x"))
