"""Which failures pass, which are final, and what a person is told."""

import logging
import traceback

import pytest
from pydantic import SecretStr

from orchestrator_client.dialogue.messages import (
    Message,
    ToolUseBlock,
    assistant,
    user,
)
from orchestrator_client.errors import (
    ModelError,
    ModelRejected,
)
from tests.support.messages_api import (
    HttpError,
    RawBody,
    Scripted,
    http_error,
    messages_api,
    text,
    tool_use,
)
from tests.support.model_calls import (
    KEY,
    SAID,
    WITH_TOOL,
    events_of,
    failed,
    model_for,
    played,
    request,
    sse,
)

pytestmark = pytest.mark.anyio

START = '{"type": "message_start", "message": {}}'


@pytest.mark.parametrize(
    "failure",
    [
        http_error(408, "timeout_error"),
        http_error(409, "conflict_error"),
        http_error(429, "rate_limit_error"),
        http_error(500, "api_error"),
        http_error(503, "api_error"),
        http_error(529, "overloaded_error"),
        http_error(400, "invalid_request_error", headers={"x-should-retry": "true"}),
        text("Hello", cut_after=0),
        text("Hello", cut_after=3),
        sse(START),
        RawBody('event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'),
        RawBody('event: error\ndata: {"type": "error", "error": {"type": "server_error"}}\n\n'),
        RawBody("event: error\ndata: out of memory\n\n"),
    ],
)
async def test_a_passing_failure_is_tried_again(failure: Scripted, no_waits: None) -> None:
    texts, reply = await played([failure, failure, text("Hello")], request())
    assert texts == ["Hello"]
    assert reply.message == assistant("Hello")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (http_error(400, "invalid_request_error", message=SAID), "400 invalid_request_error, request req_stub"),
        (http_error(401, "authentication_error"), "Check ANTHROPIC_API_KEY"),
        (http_error(402, "billing_error"), "Check the billing"),
        (http_error(403, "permission_error"), "what the key and its workspace may use"),
        (http_error(404, "not_found_error"), "refused model 'claude-x'"),
        (http_error(404, "not_found_error"), "Set the model setting"),
        (http_error(413, "request_too_large"), "Shorten the conversation"),
        (http_error(422, "invalid_request_error"), "422 invalid_request_error"),
        (http_error(429, "rate_limit_error", error_code="enforced_spend_limit_reached"), "Raise it in the Console"),
        (http_error(529, "overloaded_error", headers={"x-should-retry": "false"}), "529 overloaded_error"),
        (HttpError(status=400, body={"detail": SAID}), "refused the request (400, request req_stub)"),
        (http_error(400, f"<b>{SAID}</b>", error_code=f"{SAID}!"), "refused the request (400, request req_stub)"),
        (
            RawBody('event: error\ndata: {"type": "error", "error": {"type": "invalid_request_error"}}\n\n'),
            "400 invalid_request_error",
        ),
    ],
)
async def test_a_refused_request_says_what_to_do_and_is_not_tried_again(failure: Scripted, said: str) -> None:
    error = await failed([failure], request())
    assert isinstance(error, ModelRejected)
    assert said in str(error)


async def test_text_that_is_no_unicode_is_refused_here() -> None:
    call = ToolUseBlock(id="t", name="create_plan", input={"part": "\ud800"})
    error = await failed([], request(user("x"), Message(role="assistant", blocks=(call,))))
    assert isinstance(error, ModelRejected)


@pytest.mark.parametrize(
    "failure",
    [
        http_error(401, "authentication_error", message=f"invalid key {KEY}"),
        http_error(400, "invalid_request_error", message=f"messages.0: {SAID}"),
        http_error(429, "rate_limit_error", message=f"{KEY} {SAID}"),
        text(SAID, cut_after=4),
        tool_use("create_plan", f'{{"note": "{SAID}"'),
        sse(f'{{"type": "message_start", "message": "{SAID}"}}'),
        sse(f'["{SAID}"]'),
        sse(f"{SAID}"),
        RawBody(f'event: error\ndata: {{"type": "error", "error": {{"type": "api_error", "message": "{SAID}"}}}}\n\n'),
    ],
)
async def test_no_error_and_no_log_holds_the_key_or_what_was_said(
    failure: Scripted, no_waits: None, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with messages_api([failure] * 3) as server:
        model = model_for(server)
        with pytest.raises(ModelError) as raised:
            await events_of(model, WITH_TOOL)
    told = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(vars(raised.value))
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None
    for place in (told, repr(model), repr(vars(model)), caplog.text, *capfd.readouterr()):
        assert KEY not in place
        assert SAID not in place


async def test_a_key_that_no_header_can_hold_is_not_shown() -> None:
    error = await failed([], request(), api_key=SecretStr(f"{KEY}\n"), attempts=1)
    assert KEY not in "".join(traceback.format_exception(error))
