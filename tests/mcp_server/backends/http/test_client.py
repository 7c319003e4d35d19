"""The client against a system played by respx: every failure of httpx, every status, and what is sent again."""

import logging
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest
import respx
import stamina
import structlog

from mcp_server.backends.http.client import Answer, SystemClient
from mcp_server.backends.http.exchange import FATES, Fate
from mcp_server.errors import (
    AnswerLost,
    BackendUnavailable,
    ConfigurationError,
    Conflict,
    InternalError,
    NotAllowed,
    NotFound,
    NotRepeated,
    RuleViolated,
    ToolFailure,
)
from mcp_server.pipeline.breaker import Breaker
from mcp_server.pipeline.execution import ATTEMPTS, RetryBudget, execute

pytestmark = pytest.mark.anyio

URL = "http://mes.example:8793"
STATUSES = range(100, 600)
Asking = Callable[[SystemClient], Awaitable[Answer]]


@pytest.fixture
def system() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        yield router


@pytest.fixture
async def client() -> AsyncGenerator[SystemClient]:
    client = SystemClient(URL)
    yield client
    await client.aclose()


def reading(client: SystemClient) -> Awaitable[Answer]:
    return client.read("GET", "/machines")


def writing(client: SystemClient) -> Awaitable[Answer]:
    return client.write("POST", "/machines", json={"code": "CNC-01"})


def writing_with_a_key_that_protects(client: SystemClient) -> Awaitable[Answer]:
    return client.write("POST", "/machines", json={"code": "CNC-01"}, idempotency_key="a-key", repeatable=True)


def writing_with_a_key_that_does_not(client: SystemClient) -> Awaitable[Answer]:
    return client.write("POST", "/machines", json={"code": "CNC-01"}, idempotency_key="a-key")


WRITES: tuple[Asking, ...] = (writing, writing_with_a_key_that_protects, writing_with_a_key_that_does_not)


async def through_the_pipeline(client: SystemClient, ask: Asking) -> Answer | ToolFailure:
    """As the pipeline would: repeated where the failure allows it, without the waits."""
    breaker, budget = Breaker(lambda: 0.0), RetryBudget()
    with stamina.set_testing(True, attempts=ATTEMPTS):
        try:
            return await execute(lambda _: ask(client), deadline_s=30, breaker=breaker, budget=budget)
        except ToolFailure as failure:
            return failure


async def failure_of(asked: Awaitable[Answer]) -> ToolFailure:
    with pytest.raises(ToolFailure) as raised:
        await asked
    return raised.value


def raised_by_httpx(kind: type[Exception]) -> Exception:
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("x", request=httpx.Request("GET", URL), response=httpx.Response(500))
    return kind() if issubclass(kind, httpx.StreamError) else kind("x")


def read_ends(status: int) -> tuple[type[Any], int]:
    """How a read ends, and how often it was sent."""
    if status in range(200, 300):
        return Answer, 1
    if status in (401, 403, 407):
        return NotAllowed, 1
    if status in (404, 410):
        return NotFound, 1
    if status in (408, 425, 429) or status >= 500:
        return BackendUnavailable, ATTEMPTS
    return InternalError, 1


def write_ends(status: int, *, protected: bool) -> tuple[type[Any], int]:
    if status in (425, 429):
        return (BackendUnavailable, ATTEMPTS) if protected else (NotRepeated, 1)
    if status in (401, 403, 407, 404, 410, *range(200, 300)):
        return read_ends(status)
    if status in (409, 412):
        return Conflict, 1
    if status in (301, 307, 308):
        return InternalError, 1
    return (RuleViolated, 1) if status in range(400, 500) and status != 408 else (AnswerLost, 1)


async def test_a_read_ends_with_every_status_as_it_should(system: respx.MockRouter, client: SystemClient):
    ends: dict[int, tuple[type[Any], int]] = {}
    for status in STATUSES:
        system.reset()
        route = system.get("/machines").respond(status, json={"detail": "So."})
        ends[status] = (type(await through_the_pipeline(client, reading)), route.call_count)
    assert ends == {status: read_ends(status) for status in STATUSES}


@pytest.mark.parametrize("ask", WRITES)
async def test_a_write_ends_with_every_status_as_it_should(system: respx.MockRouter, client: SystemClient, ask: Asking):
    ends: dict[int, tuple[type[Any], int]] = {}
    for status in STATUSES:
        system.reset()
        route = system.post("/machines").respond(status, json={"detail": "So."})
        ends[status] = (type(await through_the_pipeline(client, ask)), route.call_count)
    protected = ask is writing_with_a_key_that_protects
    assert ends == {status: write_ends(status, protected=protected) for status in STATUSES}


@pytest.mark.parametrize("kind", [*FATES, OSError, ValueError])
async def test_every_failure_of_httpx_is_repeated_only_where_that_is_safe(
    system: respx.MockRouter, client: SystemClient, kind: type[Exception]
):
    seen: list[httpx.Request] = []

    def fail(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        raise raised_by_httpx(kind)

    expected: dict[Fate, tuple[tuple[type[Any], int], tuple[type[Any], int]]] = {
        Fate.NOT_SENT: ((BackendUnavailable, ATTEMPTS), (BackendUnavailable, ATTEMPTS)),
        Fate.NOT_SENDABLE: ((InternalError, 1), (InternalError, 1)),
        Fate.SENT: ((BackendUnavailable, ATTEMPTS), (AnswerLost, 1)),
    }
    read, write = expected[FATES.get(kind, Fate.SENT)]
    system.route().mock(side_effect=fail)
    assert (type(await through_the_pipeline(client, reading)), len(seen)) == read
    for ask in WRITES:
        seen.clear()
        assert (type(await through_the_pipeline(client, ask)), len(seen)) == write


async def test_only_a_write_with_a_key_carries_one(system: respx.MockRouter, client: SystemClient):
    route = system.post("/machines").respond(201)
    for ask in WRITES:
        await ask(client)
    assert [call.request.headers.get("idempotency-key") for call in route.calls] == [None, "a-key", "a-key"]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_read_may_find_nothing(system: respx.MockRouter, client: SystemClient, status: int):
    system.get("/machines/X").respond(status, html="<h1>Gone</h1>")
    answer = await client.read("GET", "/machines/X", missing_ok=True)
    assert (answer.status, answer.body) == (status, None)


async def test_an_answer_without_a_body_is_one(system: respx.MockRouter, client: SystemClient):
    system.route().respond(204)
    assert (await reading(client)).body is None
    assert (await writing(client)).body is None


@pytest.mark.parametrize("content", [b"<html>Log in</html>", b"{", b"NaN", b"\xff\xfe\xfa"])
async def test_a_good_status_without_json_is_no_answer(system: respx.MockRouter, client: SystemClient, content: bytes):
    system.route().respond(200, content=content)
    assert type(await failure_of(reading(client))) is InternalError
    assert type(await failure_of(writing_with_a_key_that_protects(client))) is AnswerLost


async def test_the_systems_own_words_are_told(system: respx.MockRouter):
    system.post("/machines").respond(422, json={"why": {"text": "lsl is\nabove <b>usl</b>"}})
    client = SystemClient(URL, told_by=lambda body: body["why"]["text"])
    failure = await failure_of(writing(client))
    assert failure.message == "The system of record at mes.example:8793 refused this (status 422): lsl is above usl"
    await client.aclose()


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ([], None),
        ([("Retry-After", "")], None),
        ([("Retry-After", "soon")], None),
        ([("Retry-After", "-5")], None),
        ([("Retry-After", "7")], 7.0),
        ([("Retry-After", " 7 ")], 7.0),
        ([("Retry-After", "86400")], 86_400.0),
        ([("Retry-After", "2"), ("Retry-After", "9")], 9.0),
        ([("Date", "Sun, 22 Nov 2026 12:00:00 GMT"), ("Retry-After", "Sun, 22 Nov 2026 12:00:30 GMT")], 30.0),
        ([("Retry-After", "Sun, 22 Nov 2020 12:00:00 GMT")], 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_how_long_to_wait_is_told_in_every_form(
    system: respx.MockRouter, client: SystemClient, status: int, headers: list[tuple[str, str]], wait_s: float | None
):
    system.route().respond(status, headers=headers)
    assert (await failure_of(reading(client))).retry_after_s == wait_s
    assert (await failure_of(writing(client))).retry_after_s == wait_s


async def test_a_wait_is_obeyed_within_the_deadline_and_never_beyond_it(system: respx.MockRouter, client: SystemClient):
    waits: list[float] = []

    async def asked() -> Answer:
        return await execute(
            lambda _: reading(client), deadline_s=5, breaker=Breaker(lambda: 0.0), budget=RetryBudget()
        )

    stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details.wait_for)])
    try:
        short = httpx.Response(503, headers={"Retry-After": "0.02"})
        system.get("/machines").mock(side_effect=[short, short, httpx.Response(200, json=[])])
        assert (await asked()).body == []
        assert waits == [0.02, 0.02]
        system.reset()
        long = system.get("/machines").respond(429, headers={"Retry-After": "6"})
        with anyio.fail_after(4):
            assert (await failure_of(asked())).retry_after_s == 6.0
        assert (long.call_count, waits) == (1, [0.02, 0.02])
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)


@pytest.mark.parametrize(
    "path",
    [
        "machines",
        "//evil.example/x",
        "http://evil.example/x",
        "/a/../b",
        "/a/%2e%2E/b",
        "/a//b",
        "/a?b=c",
        "/a#b",
        "/a\\b",
        "",
    ],
)
async def test_a_path_that_would_ask_for_something_else_is_not_sent(
    system: respx.MockRouter, client: SystemClient, path: str
):
    route = system.route().respond(200)
    assert type(await failure_of(client.read("GET", path))) is InternalError
    assert type(await failure_of(client.write("POST", path))) is InternalError
    assert route.call_count == 0


@pytest.mark.parametrize("body", [float("nan"), {1, 2}, b"x"])
async def test_a_body_that_is_no_json_is_not_sent(system: respx.MockRouter, client: SystemClient, body: Any):
    route = system.route().respond(200)
    assert type(await failure_of(client.write("POST", "/machines", json=body))) is InternalError
    assert route.call_count == 0


async def test_no_more_requests_are_under_way_than_connections_allow():
    under_way, most = 0, 0

    async def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        under_way -= 1
        return httpx.Response(200, json={})

    client = SystemClient(URL, connections=3, transport=httpx.MockTransport(answer))
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(reading, client)
    assert most == 3


async def test_who_waits_too_long_for_a_connection_has_sent_nothing():
    seen: list[httpx.Request] = []
    arrived, free = anyio.Event(), anyio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        arrived.set()
        await free.wait()
        return httpx.Response(200, json={})

    client = SystemClient(URL, connections=1, timeout_s=0.3, transport=httpx.MockTransport(answer))
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reading, client)
            await arrived.wait()
            failure = await failure_of(writing(client))
            free.set()
    assert type(failure) is BackendUnavailable
    assert "nothing was sent" in failure.message
    assert len(seen) == 1
    assert (await reading(client)).status == 200


async def test_cookies_are_not_kept(system: respx.MockRouter, client: SystemClient):
    route = system.get("/machines").respond(200, json=[], headers={"Set-Cookie": "sid=canary; Path=/"})
    await reading(client)
    await reading(client)
    assert "cookie" not in route.calls.last.request.headers


async def test_a_redirect_is_not_followed(system: respx.MockRouter, client: SystemClient):
    elsewhere = system.get("/elsewhere").respond(200, json=[])
    system.get("/machines").respond(302, headers={"Location": f"{URL}/elsewhere"})
    assert type(await failure_of(reading(client))) is InternalError
    assert elsewhere.call_count == 0


async def test_a_certificate_is_trusted_blindly_only_by_request_and_with_a_warning():
    with structlog.testing.capture_logs() as logs:
        await SystemClient(URL).aclose()
        assert logs == []
        await SystemClient(URL, verify=False).aclose()
    assert logs == [{"event": "certificate not verified", "system": "mes.example:8793", "log_level": "warning"}]


async def test_the_proxy_of_the_environment_is_used_and_a_netrc_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine mes.example login canary password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    client = SystemClient(URL)
    failure = await failure_of(reading(client))
    assert "was not reached" in failure.message  # at the proxy, where nothing listens
    assert "SHOPFLOOR_BACKEND" in failure.suggestion
    await client.aclose()
    monkeypatch.delenv("HTTP_PROXY")
    with respx.mock(base_url=URL) as system:
        route = system.get("/machines").respond(200, json=[])
        client = SystemClient(URL)
        await reading(client)
        await client.aclose()
    assert "authorization" not in route.calls.last.request.headers


async def test_what_cannot_be_opened_says_which_settings_to_check(monkeypatch: pytest.MonkeyPatch):
    for value in ("canary-\u00fc", "canary\ud800", "canary\n", "canary\r\nX: 1", " canary", "Bearer "):
        with pytest.raises(ConfigurationError, match="SHOPFLOOR_BACKEND_TOKEN") as raised:
            SystemClient(URL, headers={"Authorization": value})
        assert "canary" not in told_everywhere(raised.value)
    monkeypatch.setenv("HTTP_PROXY", "ftp://me:canary@proxy.example")
    with pytest.raises(ConfigurationError, match="HTTP_PROXY") as raised:
        SystemClient(URL)
    assert "canary" not in told_everywhere(raised.value)


CANARIES = ("canary-token-1", "canary-key-2", "canary-password-3", "canary-query-4", "canary-cookie-5")


def told_everywhere(failure: BaseException) -> str:
    """Everything that a log or a model could get to see of a failure, its causes with it."""
    chain = [failure, *filter(None, (failure.__cause__, failure.__context__))]
    fields = [repr(vars(error)) for error in chain]
    return "".join([*traceback.format_exception(failure), *map(repr, chain), *fields])


@contextmanager
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    said: list[str] = []
    caplog.set_level(logging.DEBUG, logger="asyncio")
    with structlog.testing.capture_logs() as logs:
        yield said
    said += [repr(logs), caplog.text]


def canary_client(answer: Callable[[httpx.Request], httpx.Response]) -> SystemClient:
    def answered(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"token": CANARIES[0]}) if request.url.path == "/login" else answer(request)

    async def sign_in(http: httpx.AsyncClient) -> Mapping[str, str]:
        answer = await http.post("/login", json={"password": CANARIES[2]})
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    return SystemClient(
        URL, sign_in=sign_in, headers={"X-Api-Key": CANARIES[1]}, transport=httpx.MockTransport(answered)
    )


async def test_no_credential_is_in_any_failure_log_line_or_repr(caplog: pytest.LogCaptureFixture):
    """Statuses whose body repeats every header, and every exception of httpx with a header as its text."""

    def echo(status: int) -> Callable[[httpx.Request], httpx.Response]:
        def answer(request: httpx.Request) -> httpx.Response:
            echoed = " ".join(request.headers.values())
            return httpx.Response(status, json={"detail": echoed}, headers={"Set-Cookie": f"sid={CANARIES[4]}"})

        return answer

    def crash(kind: type[Exception]) -> Callable[[httpx.Request], httpx.Response]:
        def answer(request: httpx.Request) -> httpx.Response:
            error = raised_by_httpx(kind)
            error.args = (f"Illegal header value {request.headers['authorization']} {request.headers['x-api-key']}",)
            raise error

        return answer

    ways = [*map(echo, (200, 302, 400, 401, 403, 404, 407, 409, 422, 429, 500, 503)), *map(crash, (*FATES, OSError))]
    with everything_logged(caplog) as said:
        for way in ways:
            client = canary_client(way)
            for asked in (
                client.read("GET", "/machines", params={"key": CANARIES[3]}),
                client.write("POST", "/machines", params={"key": CANARIES[3]}, json={"password": CANARIES[2]}),
            ):
                try:
                    said.append(repr(await asked))
                except ToolFailure as failure:
                    said.append(told_everywhere(failure) + repr(failure.as_json()))
            said.append(repr(client))
            await client.aclose()
    assert len(said) > 3 * len(ways)
    assert "remote request" in "".join(said)
    assert "[hidden]" in "".join(said)
    assert not [canary for canary in CANARIES if canary in "".join(said)]


async def test_every_request_leaves_one_line_in_the_log(system: respx.MockRouter, client: SystemClient):
    system.get("/machines").respond(503)
    with structlog.testing.capture_logs() as logs:
        await failure_of(client.read("GET", "/machines", params={"q": "secret"}))
    (line,) = logs
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "remote request",
        "system": "mes.example:8793",
        "method": "GET",
        "path": "/machines",
        "status": 503,
        "log_level": "debug",
    }
