import pytest

from orchestrator_client.dialogue.messages import TextBlock, ToolUseBlock, assistant, user
from orchestrator_client.errors import ModelUnavailable
from orchestrator_client.models.protocol import (
    AgentBrief,
    Model,
    ModelReply,
    ModelRequest,
    RouteBrief,
    StreamEvent,
    SummaryBrief,
    TextDelta,
    ToolSpec,
    Usage,
)
from orchestrator_client.models.scripted import (
    ScriptedModel,
    ScriptExhausted,
    ScriptMismatch,
    Step,
    call,
    fail,
    reply,
    route,
)

pytestmark = pytest.mark.anyio

QUALITY = AgentBrief(agent="quality", title="Quality", goals=(), opening_message="plan for BRK-204", known={})
ASKED = ModelRequest(brief=QUALITY, system="", messages=(user("plan for BRK-204"), assistant("For which line?")))
ROUTED = ModelRequest(
    brief=RouteBrief(message="plan", options=(), fallback="general"),
    system="",
    messages=(user("plan"),),
    tools=(ToolSpec("choose_agent", "", {"type": "object"}),),
    tool_choice="choose_agent",
)
SUMMARY = ModelRequest(brief=SummaryBrief(), system="", messages=(user("a"), assistant("b")))


async def played(model: Model, request: ModelRequest, seen: list[StreamEvent] | None = None) -> list[StreamEvent]:
    """Every event of one answer; `seen` keeps those before an error, too."""
    seen = [] if seen is None else seen
    async for event in model.stream(request):
        seen.append(event)
    return seen


async def replied(model: Model, request: ModelRequest) -> ModelReply:
    *_, last = await played(model, request)
    assert isinstance(last, ModelReply)
    return last


async def test_text_comes_in_its_chunks_and_then_whole() -> None:
    async with ScriptedModel([reply(chunks=("Stored.\n[TASK", "_COMPLETE]"), usage=Usage(7, 3))]) as model:
        first, second, last = await played(model, ASKED)
    assert (first, second) == (TextDelta("Stored.\n[TASK"), TextDelta("_COMPLETE]"))
    assert last == ModelReply(assistant("Stored.\n[TASK_COMPLETE]"), "end_turn", "scripted", Usage(7, 3))


async def test_a_call_stops_for_tools_and_gets_an_id_from_its_place() -> None:
    async with ScriptedModel([call("read", {"id": 1}), call("write", {}, id="mine", text="Now.")]) as model:
        first, second = await replied(model, ASKED), await replied(model, ASKED)
    assert first.stop_reason == second.stop_reason == "tool_use"
    assert first.message.blocks == (ToolUseBlock(id="toolu_1_1", name="read", input={"id": 1}),)
    assert second.message.blocks == (TextBlock(text="Now."), ToolUseBlock(id="mine", name="write", input={}))


async def test_two_calls_of_one_answer_have_different_ids() -> None:
    calls = [ToolUseBlock(id="", name="read", input={"id": number}) for number in (1, 2)]
    async with ScriptedModel([reply(calls=calls)]) as model:
        answer = await replied(model, ASKED)
    assert [block.id for block in answer.message.tool_uses] == ["toolu_1_1", "toolu_1_2"]


async def test_a_route_calls_the_tool_that_the_request_forces() -> None:
    async with ScriptedModel([route("quality", confidence=0.8, reason="names a plan")]) as model:
        answer = await replied(model, ROUTED)
    (decision,) = answer.message.tool_uses
    assert decision.name == "choose_agent"
    assert decision.input == {"agent": "quality", "confidence": 0.8, "reason": "names a plan"}


async def test_a_stop_reason_may_be_given() -> None:
    async with ScriptedModel([reply("cut", stop_reason="max_tokens")]) as model:
        assert (await replied(model, ASKED)).stop_reason == "max_tokens"


@pytest.mark.parametrize(
    ("step", "request_", "reason"),
    [
        (route("quality"), ASKED, "kind 'route', got 'agent'"),
        (call("read", {}), SUMMARY, "kind 'agent', got 'summary'"),
        (reply("x", expect="summary"), ROUTED, "kind 'summary', got 'route'"),
        (reply("x", agent="issues"), ASKED, "agent 'issues', got 'quality'"),
        (reply("x", agent="issues"), SUMMARY, "agent 'issues', got None"),
        (reply("x", contains="LT-131"), ASKED, "'LT-131' in the last user text, got 'plan for BRK-204'"),
    ],
)
async def test_a_request_that_is_not_the_expected_one_is_refused(
    step: Step, request_: ModelRequest, reason: str
) -> None:
    model = ScriptedModel([step])
    with pytest.raises(ScriptMismatch, match=reason):
        await played(model, request_)


async def test_a_request_that_fits_all_expectations_is_answered() -> None:
    async with ScriptedModel([reply("x", expect="agent", agent="quality", contains="BRK-204")]) as model:
        assert (await replied(model, ASKED)).message == assistant("x")


async def test_only_the_last_user_text_is_looked_at() -> None:
    request = ModelRequest(brief=QUALITY, system="", messages=(*ASKED.messages, user("line 7")))
    async with ScriptedModel([reply("x", contains="line 7")]) as model:
        assert (await replied(model, request)).message == assistant("x")


async def test_a_route_without_a_forced_tool_is_refused() -> None:
    model = ScriptedModel([route("quality")])
    request = ModelRequest(brief=ROUTED.brief, system="", messages=ROUTED.messages)
    with pytest.raises(ScriptMismatch, match="forces no tool"):
        await played(model, request)


async def test_one_request_too_many_is_refused() -> None:
    model = ScriptedModel([reply("x")])
    await played(model, ASKED)
    with pytest.raises(ScriptExhausted, match=r"has 1 steps\. Unexpected agent request: 'plan for BRK-204'"):
        await played(model, ASKED)


async def test_steps_left_over_are_reported_on_a_clean_exit() -> None:
    with pytest.raises(ScriptMismatch, match="1 of 2 steps were not asked for"):
        async with ScriptedModel([reply("x"), reply("y")]) as model:
            await played(model, ASKED)


async def test_steps_left_over_do_not_hide_the_error_that_ended_the_test() -> None:
    with pytest.raises(ValueError, match="the real one"):
        async with ScriptedModel([reply("x")]):
            raise ValueError("the real one")


async def test_a_failure_that_the_code_swallowed_is_reported_at_the_end() -> None:
    model = ScriptedModel([])
    with pytest.raises(ScriptExhausted) as raised:
        await played(model, ASKED)
    with pytest.raises(ScriptExhausted) as again:
        model.assert_finished()
    assert again.value is raised.value


def test_text_is_given_whole_or_in_chunks_but_not_both() -> None:
    with pytest.raises(ValueError, match="not both"):
        reply("x", chunks=("x",))


async def test_an_error_comes_after_its_chunks() -> None:
    seen: list[StreamEvent] = []
    async with ScriptedModel([fail(ModelUnavailable("overloaded"), chunks=("Sto", "red"))]) as model:
        with pytest.raises(ModelUnavailable, match="overloaded"):
            await played(model, ASKED, seen)
    assert seen == [TextDelta("Sto"), TextDelta("red")]
    assert model.requests == [ASKED]
