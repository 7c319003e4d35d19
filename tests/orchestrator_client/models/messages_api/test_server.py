"""What a server can do besides answering, asked of it or learned from its refusals."""

from contextlib import aclosing

import anyio
import pytest

from orchestrator_client.dialogue.messages import user
from orchestrator_client.errors import ModelRejected, ModelUnavailable
from orchestrator_client.models.messages_api import wire
from orchestrator_client.models.protocol import ModelReply, ToolSpec
from tests.support.messages_api import Hang, HttpError, LookUp, RawBody, http_error, messages_api, text
from tests.support.model_calls import SCHEMA, TOOL, events_of, failed, model_for, request

pytestmark = pytest.mark.anyio

COUNT = "/v1/messages/count_tokens"
STRICT = ToolSpec("create_plan", "", SCHEMA, strict=True)
ASKED = request(user("plan"), system="You plan.", tools=(STRICT,), tool_choice="create_plan")
EVERYTHING = {"strict_tools": True, "caching": True}
OVERLOADED = http_error(529, "overloaded_error")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_LOOK_UP_DEADLINE_S", 0.3)


def refusal(words: str, *, status: int = 400) -> HttpError:
    return http_error(status, "invalid_request_error", message=words)


async def test_tokens_are_counted_by_the_server_from_what_it_would_be_sent() -> None:
    async with messages_api([text("ok")], {COUNT: [{"input_tokens": 7}, {"input_tokens": 9}]}) as server:
        model = model_for(server, capabilities=EVERYTHING)
        assert [await model.count_tokens(ASKED), await model.count_tokens(ASKED)] == [7, 9]
        await events_of(model, ASKED)
    sent = server.requests[0].body
    assert server.counted[0] == {name: sent[name] for name in ("model", "messages", "system", "tools", "tool_choice")}


@pytest.mark.parametrize(
    "answer",
    [
        http_error(404, "not_found_error"),
        http_error(405, "not_found_error"),
        http_error(501, "api_error"),
        {"tokens": 3},
        {"input_tokens": 0},
        RawBody("<html></html>", media_type="text/html"),
    ],
)
async def test_a_server_that_cannot_count_is_not_asked_again(answer: LookUp) -> None:
    async with messages_api([], {COUNT: [answer, {"input_tokens": 7}]}) as server:
        model = model_for(server)
        assert model.capabilities.token_counting
        assert [await model.count_tokens(ASKED), await model.count_tokens(ASKED)] == [None, None]
        assert not model.capabilities.token_counting
        await model.aclose()
    assert server.looked_up == [COUNT]


@pytest.mark.parametrize(
    "answer", [OVERLOADED, http_error(400, "invalid_request_error"), RawBody("{", "application/json")]
)
async def test_a_count_that_fails_once_is_tried_again_the_next_time(answer: LookUp) -> None:
    async with messages_api([], {COUNT: [answer, {"input_tokens": 7}]}) as server:
        model = model_for(server)
        assert [await model.count_tokens(ASKED), await model.count_tokens(ASKED)] == [None, 7]
        await model.aclose()


async def test_a_count_holds_a_turn_up_only_briefly(impatient: None) -> None:
    async with messages_api([], {COUNT: [Hang(anyio.Event())]}) as server:
        model = model_for(server)
        with anyio.fail_after(5):
            assert await model.count_tokens(ASKED) is None
        await model.aclose()


async def test_counting_can_be_switched_off() -> None:
    async with messages_api([], {COUNT: [{"input_tokens": 7}]}) as server:
        model = model_for(server, capabilities={"token_counting": False})
        assert await model.count_tokens(ASKED) is None
        await model.aclose()
    assert server.looked_up == []


MODEL = "/v1/models/claude-x"
LIST = "/v1/models"
LLAMA_CPP = {"object": "list", "data": [{"id": "a.gguf", "object": "model", "meta": {"n_ctx": 4096, "n_vocab": 9}}]}
VLLM = {
    "object": "list",
    "data": [{"id": "other", "max_model_len": 1}, {"id": "claude-x", "max_model_len": 32768}],
}


@pytest.mark.parametrize(
    ("look_ups", "tokens"),
    [
        ({MODEL: [{"id": "claude-x", "type": "model", "max_input_tokens": 200_000}]}, 200_000),
        ({LIST: [LLAMA_CPP]}, 4096),
        ({LIST: [VLLM]}, 32768),
        ({}, None),
        ({MODEL: [OVERLOADED], LIST: [OVERLOADED]}, None),
        ({MODEL: [{"id": "claude-x"}]}, None),
        ({MODEL: [{"id": "claude-x", "max_input_tokens": "many"}]}, None),
        ({LIST: [{"data": [{"id": "one"}, {"id": "two"}]}]}, None),
        ({LIST: [{"data": None}]}, None),
        ({LIST: [{"data": ["claude-x"]}]}, None),
        ({LIST: [RawBody("<html></html>", "text/html")]}, None),
        ({MODEL: [RawBody("[]", "application/json")]}, None),
    ],
)
async def test_the_window_is_what_the_server_says_and_is_asked_for_once(
    look_ups: dict[str, list[LookUp]], tokens: int | None
) -> None:
    async with messages_api([], look_ups) as server:
        model = model_for(server)
        assert await model.window_tokens() == tokens
        asked = len(server.looked_up)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(model.window_tokens)
        assert len(server.looked_up) == asked
        await model.aclose()


async def test_callers_at_the_same_time_share_one_question_for_the_window() -> None:
    async with messages_api([], {MODEL: [{"id": "claude-x", "max_input_tokens": 5000}]}) as server:
        model = model_for(server)
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(model.window_tokens)
        assert await model.window_tokens() == 5000
        await model.aclose()
    assert server.looked_up == [MODEL]


@pytest.mark.parametrize(
    ("words", "lost"),
    [
        ("system.0.cache_control: Extra inputs are not permitted", {"cache_control", "system"}),
        ("tools.0.custom.strict: Extra inputs are not permitted", {"strict"}),
        ("'strict' is not a known field of a tool", {"strict"}),
        ("strict mode is not supported", {"strict"}),
        ("tool_choice is not supported by this model", {"tool_choice"}),
        ("This model does not support the effort parameter.", {"output_config"}),
    ],
)
async def test_a_refused_field_is_left_out_at_once_and_from_then_on(words: str, lost: set[str]) -> None:
    async with messages_api([refusal(words), text("ok"), text("ok")]) as server:
        model = model_for(server, attempts=1, effort="low", capabilities=EVERYTHING)
        for _ in range(2):
            assert [event async for event in model.stream(ASKED)]
        await model.aclose()
    server.assert_finished()
    before, *after = (received.body for received in server.requests)
    for body in after:
        missing = {name for name in before if body.get(name) != before[name]} - {"tools"}
        missing |= {"strict"} if "strict" not in body["tools"][0] else set()
        assert missing == lost


async def test_a_caller_that_takes_the_reply_and_leaves_has_taught_the_model_as_well() -> None:
    async with messages_api([refusal("cache_control: unknown"), text("ok")]) as server:
        model = model_for(server, capabilities=EVERYTHING)
        async with aclosing(model.stream(request(system="You plan."))) as stream:
            await anext(stream)
        await model.aclose()
    assert not model.capabilities.caching


async def test_a_field_that_was_not_sent_is_not_learned_beside_one_that_was() -> None:
    async with messages_api([refusal("cache_control, `strict`: unknown"), text("ok")]) as server:
        model = model_for(server, capabilities=EVERYTHING)
        await events_of(model, request(tools=(TOOL,)))
    assert (model.capabilities.strict_tools, model.capabilities.caching) == (True, False)


async def test_fields_refused_one_after_the_other_are_all_left_out() -> None:
    script = [refusal("cache_control: unknown", status=422), refusal("`strict`: unknown", status=422), text("ok")]
    async with messages_api(script) as server:
        model = model_for(server, capabilities=EVERYTHING)
        await events_of(model, ASKED)
    server.assert_finished()
    assert (model.capabilities.strict_tools, model.capabilities.caching) == (False, False)


@pytest.mark.parametrize(
    "failure",
    [
        refusal("messages: roles must alternate in strict order"),
        refusal("prompt is too long"),
        http_error(403, "permission_error", message="cache_control: not allowed"),
    ],
)
async def test_another_refusal_is_final(failure: HttpError) -> None:
    assert isinstance(await failed([failure], ASKED, capabilities=EVERYTHING), ModelRejected)


async def test_a_field_that_was_not_sent_is_not_to_blame() -> None:
    assert isinstance(await failed([refusal("cache_control: unknown")], ASKED), ModelRejected)


async def test_nothing_is_learned_from_a_refusal_that_has_another_reason() -> None:
    async with messages_api([refusal("cache_control: odd"), refusal("prompt is too long")]) as server:
        model = model_for(server, capabilities=EVERYTHING)
        with pytest.raises(ModelRejected):
            await events_of(model, ASKED)
    server.assert_finished()
    assert model.capabilities.caching


async def test_after_a_refusal_the_deadline_still_holds() -> None:
    async with messages_api([refusal("cache_control: odd"), Hang(anyio.Event())]) as server:
        with pytest.raises(ModelUnavailable, match="deadline"):
            await events_of(model_for(server, deadline_s=1.0, capabilities=EVERYTHING), ASKED)
    server.assert_finished()


@pytest.mark.parametrize(("choice", "left"), [("create_plan", ["create_plan"]), ("none", [])])
async def test_where_no_choice_can_be_made_only_what_it_would_leave_is_offered(choice: str, left: list[str]) -> None:
    asked = request(tools=(TOOL, ToolSpec("list_plans", "", SCHEMA)), tool_choice=choice)
    async with messages_api([refusal("tool_choice: unknown"), text("ok")]) as server:
        events = await events_of(model_for(server), asked)
    assert [tool["name"] for tool in server.requests[1].body.get("tools", [])] == left
    assert isinstance(events[-1], ModelReply)
