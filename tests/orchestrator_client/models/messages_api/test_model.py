"""Clients, retries, waits and deadlines, through the real SDK and a loopback server of the Messages API."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import pytest
from anthropic import AsyncAnthropic
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from orchestrator_client.errors import (
    ConfigurationError,
    ModelUnavailable,
)
from orchestrator_client.models.messages_api import AnthropicModel
from orchestrator_client.models.protocol import (
    ModelReply,
    StreamEvent,
    TextDelta,
    TextWithdrawn,
)
from tests.support.messages_api import (
    Hang,
    http_error,
    messages_api,
    text,
)
from tests.support.model_calls import KEY, WITH_TOOL, events_of, failed, model_for, played, request

pytestmark = pytest.mark.anyio


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """The waits between attempts, in seconds, as stamina planned them."""
    planned: list[float] = []

    def remember(details: RetryDetails) -> None:
        planned.append(details.wait_for)

    set_on_retry_hooks([remember])
    yield planned
    set_on_retry_hooks(None)


async def test_the_key_travels_as_a_bearer_token() -> None:
    async with messages_api([text("ok")]) as server:
        await events_of(model_for(server), request())
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_local_server_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    texts, _ = await played([text("ok")], request(), api_key=None)
    assert texts == ["ok"]


async def test_without_a_key_the_real_api_is_not_even_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY"):
        AnthropicModel("claude-x")


async def test_a_given_client_stays_open() -> None:
    async with (
        messages_api([text("one"), text("two")]) as server,
        AsyncAnthropic(api_key=KEY, base_url=server.base_url) as client,
    ):
        await events_of(AnthropicModel("claude-x", client=client), request())
        await events_of(AnthropicModel("claude-x", client=client), request())
    server.assert_finished()


async def test_one_connection_serves_call_after_call() -> None:
    async with messages_api([text("one"), text("two")]) as server:
        model = model_for(server)
        for _ in range(2):
            assert [event async for event in model.stream(request())]
        await model.aclose()
    assert server.requests[0].port == server.requests[1].port


async def test_a_lasting_overload_is_reported_after_all_attempts(no_waits: None) -> None:
    error = await failed([http_error(529, "overloaded_error")] * 3, request())
    assert isinstance(error, ModelUnavailable)
    assert "529 overloaded_error, request req_stub" in str(error)


async def test_the_sdk_itself_does_not_retry() -> None:
    error = await failed([http_error(529, "overloaded_error")], request(), attempts=1)
    assert isinstance(error, ModelUnavailable)


@pytest.mark.parametrize("cut_after", [4, 5, 7])
async def test_text_of_a_cut_stream_is_withdrawn_before_the_next_attempt(cut_after: int, no_waits: None) -> None:
    async with messages_api([text("Hel", "lo", cut_after=cut_after), text("Good", " day")]) as server:
        seen = await events_of(model_for(server), request())
    server.assert_finished()
    withdrawn = seen.index(TextWithdrawn())
    assert seen[0] == TextDelta("Hel")
    assert seen[withdrawn + 1 : -1] == [TextDelta("Good"), TextDelta(" day")]
    assert isinstance(seen[-1], ModelReply)


async def test_a_stream_that_is_always_cut_ends_in_an_error_and_no_reply(no_waits: None) -> None:
    seen: list[StreamEvent] = []
    async with messages_api([text("Hel", "lo", cut_after=5)] * 3) as server:
        with pytest.raises(ModelUnavailable):
            await events_of(model_for(server), request(), seen)
    server.assert_finished()
    assert not any(isinstance(event, ModelReply) for event in seen)


async def test_a_stream_cut_after_its_last_event_is_whole() -> None:
    texts, _ = await played([text("Hello", cut_after=7)], request())
    assert texts == ["Hello"]


async def test_a_server_that_does_not_end_its_stream_holds_an_answer_up_only_briefly() -> None:
    forever = anyio.Event()
    with anyio.fail_after(10):
        texts, _ = await played([text("Hello", hold=forever, hold_before=7)], request())
    assert texts == ["Hello"]


async def test_a_server_that_can_not_be_reached_is_reported(no_waits: None) -> None:
    async with messages_api([]) as server:
        pass
    with pytest.raises(ModelUnavailable, match="could not be reached"):
        await events_of(model_for(server), request())


async def test_a_cut_stream_that_showed_nothing_yet_is_asked_for_again_though_text_had_come(no_waits: None) -> None:
    cut = text('```json\n{"name": ', '"create_plan"}', cut_after=5)
    texts, _ = await played([cut, text("Hello")], WITH_TOOL)
    assert texts == ["Hello"]


async def test_retry_after_sets_the_wait(waits: list[float]) -> None:
    limited = http_error(429, "rate_limit_error", headers={"retry-after": "0.05"})
    faster = http_error(429, "rate_limit_error", headers={"retry-after-ms": "20", "retry-after": "600"})
    await played([limited, faster, text("ok")], request())
    assert waits == pytest.approx([0.05, 0.02])


async def test_a_past_date_in_retry_after_means_now(waits: list[float]) -> None:
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    await played([http_error(503, "api_error", headers={"retry-after": past}), text("ok")], request())
    assert waits == [0.0]


@pytest.mark.parametrize("value", ["soon", "nan", "inf", ""])
async def test_a_retry_after_that_says_nothing_leaves_the_wait_to_us(value: str, waits: list[float]) -> None:
    await played([http_error(503, "api_error", headers={"retry-after": value}), text("ok")], request())
    assert 0 < waits[0] <= 0.5


async def test_waits_without_advice_are_drawn_below_a_doubling_ceiling(waits: list[float]) -> None:
    await played([http_error(503, "api_error"), http_error(503, "api_error"), text("ok")], request())
    assert 0 <= waits[0] <= 0.5
    assert 0 <= waits[1] <= 1.0


async def test_a_wait_beyond_the_deadline_is_not_begun(waits: list[float]) -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    for advice in ("3600", in_an_hour):
        error = await failed([http_error(429, "rate_limit_error", headers={"retry-after": advice})], request())
        assert isinstance(error, ModelUnavailable)
        assert error.retry_after_s == pytest.approx(3600, abs=5)
    assert waits == []


async def test_the_deadline_ends_a_call_that_hangs_before_its_answer() -> None:
    async with messages_api([Hang(anyio.Event())]) as server:
        with pytest.raises(ModelUnavailable, match="deadline"):
            await events_of(model_for(server, deadline_s=1.0), request())
    server.assert_finished()


async def test_the_deadline_ends_an_answer_that_hangs_half_way() -> None:
    seen: list[StreamEvent] = []
    async with messages_api([text("Hel", "lo", hold=anyio.Event(), hold_before=4)]) as server:
        with pytest.raises(ModelUnavailable, match="deadline"):
            await events_of(model_for(server, deadline_s=1.0), request(), seen)
    assert seen == [TextDelta("Hel")]


@pytest.mark.parametrize("hold_before", [0, 2])
async def test_a_silent_server_is_given_up_and_asked_again(hold_before: int, no_waits: None) -> None:
    silent = text("Hello", hold=anyio.Event(), hold_before=hold_before)
    async with messages_api([silent, text("Hello")]) as server:
        events = await events_of(model_for(server, timeout_s=0.5), request())
    server.assert_finished()
    assert events[0] == TextDelta("Hello")


async def test_a_caller_that_walks_away_closes_the_connection() -> None:
    async with messages_api([text("Hel", "lo", hold=anyio.Event(), hold_before=4), text("ok")]) as server:
        model = model_for(server)
        stream = model.stream(request())
        with anyio.fail_after(5):
            assert await anext(stream) == TextDelta("Hel")
            await stream.aclose()
            await events_of(model, request())
    assert server.requests[0].port != server.requests[1].port


async def test_a_canceled_caller_is_let_go_and_nothing_is_tried_again() -> None:
    seen: list[StreamEvent] = []
    async with messages_api([text("Hel", "lo", hold=anyio.Event(), hold_before=4)]) as server:
        model = model_for(server)
        with anyio.CancelScope() as scope:
            async for event in model.stream(request()):
                seen.append(event)
                scope.cancel()
        await model.aclose()
    assert scope.cancelled_caught
    assert seen == [TextDelta("Hel")]
    server.assert_finished()


async def test_the_stub_answers_500_when_its_script_is_exhausted_and_says_so(no_waits: None) -> None:
    async with messages_api([]) as server:
        with pytest.raises(ModelUnavailable, match="500 api_error"):
            await events_of(model_for(server), request())
    with pytest.raises(AssertionError, match="3 requests, 0 steps"):
        server.assert_finished()


def test_the_sdk_is_loaded_only_when_a_model_is_built() -> None:
    code = "import sys, orchestrator_client.models.messages_api.model; sys.exit('anthropic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
