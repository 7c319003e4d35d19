"""What comes back, through the real SDK from a loopback server of the Messages API."""

from typing import Any

import anyio
import pytest
from anthropic import AsyncAnthropic

from orchestrator_client.dialogue.messages import (
    TextBlock,
    ToolUseBlock,
    assistant,
)
from orchestrator_client.errors import (
    ModelMisbehaved,
)
from orchestrator_client.models.protocol import (
    ModelReply,
    ModelRequest,
    TextDelta,
    ToolSpec,
    Usage,
)
from tests.support.messages_api import (
    Answer,
    RawBody,
    Scripted,
    Text,
    Thinking,
    ToolUse,
    messages_api,
    text,
    tool_use,
)
from tests.support.model_calls import KEY, SCHEMA, TOOL, WITH_TOOL, failed, model_for, played, request, sse

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("write_bytes", [None, 1, 7])
async def test_text_streams_as_it_comes_however_the_bytes_are_cut(write_bytes: int | None) -> None:
    answer = text("Plan gespeichert für Ø 12 mm.\n[TASK", "_COMPLETE]", write_bytes=write_bytes)
    texts, reply = await played([answer], request())
    assert texts == ["Plan gespeichert für Ø 12 mm.\n[TASK", "_COMPLETE]"]
    assert reply == ModelReply(assistant("".join(texts)), "end_turn", "stub-model", Usage(10, 5))


async def test_text_is_shown_before_the_answer_is_complete() -> None:
    release = anyio.Event()
    async with messages_api([text("Hel", "lo", hold=release, hold_before=4)]) as server:
        model = model_for(server)
        with anyio.fail_after(5):
            async for event in model.stream(request()):
                if event == TextDelta("Hel"):
                    release.set()  # the server sends the rest only now
        await model.aclose()
    assert release.is_set()


async def test_a_tool_call_is_put_together_from_its_pieces() -> None:
    arguments: dict[str, Any] = {"part": "BRK-204", "rows": [{"spec": 1.5, "note": 'Ø "12"'}], "empty": {}}
    texts, reply = await played([tool_use("create_plan", arguments, id="t1", before="I store it.")], WITH_TOOL)
    assert texts == ["I store it."]
    assert reply.stop_reason == "tool_use"
    call = ToolUseBlock(id="t1", name="create_plan", input=arguments)
    assert reply.message.blocks == (TextBlock(text="I store it."), call)


async def test_two_tool_calls_of_one_answer_are_both_kept() -> None:
    blocks = (ToolUse("create_plan", {"part": "A"}, "t1"), ToolUse("create_plan", {}, "t2"))
    _, reply = await played([Answer(blocks=blocks, stop_reason="tool_use")], WITH_TOOL)
    assert [(call.id, call.input) for call in reply.message.tool_uses] == [("t1", {"part": "A"}), ("t2", {})]


async def test_what_is_streamed_is_the_text_of_the_message() -> None:
    blocks = (Text(("One.",)), Text(()), Text(("Two", ".")))
    texts, reply = await played([Answer(blocks=blocks)], request())
    assert "".join(texts) == reply.message.text == "One.\nTwo."


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("end_turn", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("stop_sequence", "stop_sequence"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context_window"),
    ],
)
async def test_every_stop_reason_has_its_counterpart(theirs: str, ours: str) -> None:
    _, reply = await played([text("Hello", stop_reason=theirs)], request())
    assert reply.stop_reason == ours


@pytest.mark.parametrize("stop_reason", ["max_tokens", "refusal", "pause_turn", "model_context_window_exceeded"])
async def test_an_answer_that_was_stopped_early_may_be_empty(stop_reason: str) -> None:
    _, reply = await played([Answer(blocks=(), stop_reason=stop_reason)], request())
    assert reply.message.blocks == ()


@pytest.mark.parametrize("stop_reason", ["max_tokens", "refusal", "pause_turn", "model_context_window_exceeded"])
async def test_a_tool_call_of_an_answer_that_was_stopped_early_is_left_out(stop_reason: str) -> None:
    answer = tool_use("create_plan", '{"part": "BRK-2', before="I store it.", stop_reason=stop_reason)
    _, reply = await played([answer], WITH_TOOL)
    assert reply.message == assistant("I store it.")


async def test_cached_tokens_count_as_input() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 3000,
    }
    _, reply = await played([text("ok", usage=usage)], request())
    assert reply.usage == Usage(input_tokens=3210, output_tokens=5, cache_read_tokens=200, cache_write_tokens=3000)


async def test_a_forced_call_that_ends_the_turn_is_a_call() -> None:
    answer = tool_use("create_plan", {"part": "A"}, stop_reason="end_turn")
    _, reply = await played([answer], request(tools=(TOOL,), tool_choice="create_plan"))
    assert reply.stop_reason == "tool_use"
    assert reply.message.tool_uses[0].input == {"part": "A"}


START = '{"type": "message_start", "message": {}}'
TEXT = '{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}}'
CALL = (
    '{"type": "content_block_start", "index": 0, "content_block":'
    ' {"type": "tool_use", "id": "t", "name": "create_plan", "input": {"part": "A"}}}'
)
DELTA = '{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}'
STOP = '{"type": "message_stop"}'


def ending(stop_reason: str) -> str:
    return f'{{"type": "message_delta", "delta": {{"stop_reason": "{stop_reason}"}}}}'


async def test_a_server_that_leaves_out_what_we_do_not_need_is_understood() -> None:
    texts, reply = await played([sse(START, '{"type": "news"}', TEXT, ending("end_turn"), STOP)], request())
    assert texts == ["Hi"]
    assert reply == ModelReply(assistant("Hi"), "end_turn", "claude-x")


async def test_an_input_sent_whole_is_taken() -> None:
    _, reply = await played([sse(START, CALL, ending("tool_use"), STOP)], WITH_TOOL)
    assert reply.message.tool_uses[0].input == {"part": "A"}


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (tool_use("create_plan", '{"part": "BRK-2'), "not a JSON object"),
        (tool_use("create_plan", "[1]"), "not a JSON object"),
        (tool_use("create_plan", '{"part": NaN}'), "not a JSON object"),
        (tool_use("create_plan", {}, id=""), "outside the Messages API"),
        (tool_use("create_plan", {}, stop_reason="end_turn"), "did not stop for one"),
        (
            Answer(blocks=(ToolUse("create_plan", {}, "t1"), ToolUse("create_plan", {}, "t1")), stop_reason="tool_use"),
            "two tool calls with one id",
        ),
        (text("Hello", stop_reason="tool_use"), "without a tool call"),
        (Answer(blocks=()), "empty answer"),
        (text("\n\n", "\n"), "empty answer"),
        (Answer(blocks=(Thinking("hm", "sig"),)), "empty answer"),
        (text("Hello", stop_reason="compaction"), "unknown stop reason"),
        (sse(START, TEXT, TEXT), "two blocks with one index"),
        (sse(START, '{"type": "content_block_start", "index": 0, "content_block": {"type": "song"}}'), "outside"),
        (sse(START, '{"type": "content_block_start"}'), "outside"),
        (
            sse(START, DELTA),
            "fits no open block",
        ),
        (
            sse(
                START, CALL, '{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}}'
            ),
            "fits no open block",
        ),
        (sse("[1]"), "no object"),
        (sse("{"), "does not speak the Messages API"),
        (RawBody("<html></html>", media_type="text/html"), "without a stream"),
        (RawBody('{"type": "message"}', media_type="application/json"), "without a stream"),
    ],
)
async def test_an_answer_outside_the_protocol_is_refused_and_not_asked_for_again(answer: Scripted, what: str) -> None:
    error = await failed([answer], WITH_TOOL)
    assert isinstance(error, ModelMisbehaved)
    assert what in str(error)


async def test_a_fenced_call_of_a_small_model_becomes_a_tool_call_and_is_never_shown() -> None:
    answer = text("```js", 'on\n{"name": "create_plan", ', '"arguments": {"part": "A"}}\n', "```\n")
    texts, reply = await played([answer], WITH_TOOL)
    assert texts == []
    assert reply.stop_reason == "tool_use"
    (call,) = reply.message.blocks
    assert isinstance(call, ToolUseBlock)
    assert (call.name, call.input) == ("create_plan", {"part": "A"})


async def test_thinking_before_a_fenced_call_is_kept() -> None:
    call = Text(('```json\n{"name": "create_plan", "input": {}}\n```',))
    _, reply = await played([Answer(blocks=(Thinking("hm", "sig"), call))], WITH_TOOL)
    assert [block.type for block in reply.message.blocks] == ["opaque", "tool_use"]


@pytest.mark.parametrize(
    ("asked", "stop_reason"),
    [
        (request(), "end_turn"),
        (request(tools=(TOOL,), tool_choice="none"), "end_turn"),
        (request(tools=(ToolSpec("other", "", SCHEMA),)), "end_turn"),
        (WITH_TOOL, "max_tokens"),
    ],
)
async def test_a_fenced_block_that_is_no_call_is_shown(asked: ModelRequest, stop_reason: str) -> None:
    block = '```json\n{"name": "create_plan", "arguments": {}}\n```'
    texts, reply = await played([text(block[:20], block[20:], stop_reason=stop_reason)], asked)
    assert "".join(texts) == reply.message.text == block


async def test_the_stub_answers_whole_when_it_is_not_asked_to_stream() -> None:
    async with (
        messages_api([tool_use("create_plan", {"part": "A"}, before="Now.")]) as server,
        AsyncAnthropic(api_key=KEY, base_url=server.base_url) as client,
    ):
        message = await client.messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": "x"}])
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert message.stop_reason == "tool_use"
