"""One request against real sockets, and the inventory of everything that httpx can raise."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from mcp_server.backends.http.client import SystemClient
from mcp_server.backends.http.exchange import FATES, Fate, unanswered
from mcp_server.errors import AnswerLost, BackendUnavailable, Conflict, InternalError, ToolFailure
from tests.support.raw_server import Connection, raw_server

pytestmark = pytest.mark.anyio

Conduct = Callable[[Connection], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def exceptions_of_httpx() -> set[type[Exception]]:
    named = [getattr(httpx, name) for name in dir(httpx)]
    return {found for found in named if isinstance(found, type) and issubclass(found, Exception)}


async def test_every_exception_of_httpx_has_a_fate():
    every = exceptions_of_httpx()
    only_bases = {kind for kind in every if any(other is not kind and issubclass(other, kind) for other in every)}
    assert every - only_bases == set(FATES)
    assert only_bases == {
        httpx.HTTPError,
        httpx.RequestError,
        httpx.TransportError,
        httpx.TimeoutException,
        httpx.NetworkError,
        httpx.ProtocolError,
        httpx.StreamError,
    }


async def test_only_what_comes_before_the_request_is_known_to_be_unsent():
    assert {kind for kind, fate in FATES.items() if fate is Fate.NOT_SENT} == {
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
    }
    for base in (httpx.TransportError("x"), httpx.NetworkError("x"), OSError("x"), RuntimeError("x")):
        assert unanswered(base).fate is Fate.SENT


async def test_only_what_happens_before_any_header_is_told_in_the_words_of_the_system():
    told = {kind for kind in FATES if kind is not httpx.HTTPStatusError and unanswered(raised(kind)).detail}
    assert told == {httpx.ConnectError, httpx.ProxyError}


def raised(kind: type[Exception]) -> Exception:
    error = kind() if issubclass(kind, httpx.StreamError) else kind("x")
    error.args = ("Illegal header value canary",)
    return error


async def closes_before_answering(connection: Connection) -> None:
    await connection.request()


async def closes_at_once(_connection: Connection) -> None:
    return


async def resets(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def resets_at_once(connection: Connection) -> None:
    connection.reset()


def sends(answer: bytes) -> Conduct:
    async def conduct(connection: Connection) -> None:
        await connection.request()
        await connection.send(answer)

    return conduct


async def never_answers(connection: Connection) -> None:
    await connection.request()
    await connection.until_closed()


async def resets_in_the_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    connection.reset()


def drips(first: bytes, then: bytes) -> Conduct:
    """Never as slow as one read may be, and never at an end."""

    async def conduct(connection: Connection) -> None:
        await connection.request()
        await connection.send(first)
        while True:
            with anyio.move_on_after(0.02):
                await connection.until_closed()
                return
            await connection.send(then)

    return conduct


FAULTS: dict[str, Conduct] = {
    "closes at once": closes_at_once,
    "closes before answering": closes_before_answering,
    "closes within the first line": sends(b"HTTP/1.1 20"),
    "closes after the first line": sends(b"HTTP/1.1 200 OK\r\n"),
    "closes after the headers": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
    "closes in the body": sends(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a'),
    "closes in a chunk": sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"),
    "closes between chunks": sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "resets at once": resets_at_once,
    "resets": resets,
    "resets in the body": resets_in_the_body,
    "never answers": never_answers,
    "drips in the headers": drips(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
    "drips in the body": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" "),
    "sends garbage": sends(b"\x00\x01\x02garbage\r\n\r\n"),
    "sends another protocol": sends(b"220 mail.example ESMTP\r\n"),
    "sends a header without a colon": sends(b"HTTP/1.1 200 OK\r\nbroken\r\n\r\n"),
    "sends two lengths": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "sends too long a header": sends(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 300_000 + b"\r\n\r\n"),
    "sends what is not gzip": sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
}


def patience_s(fault: str) -> float:
    """Short only where it is the end: connecting takes its time too on a busy machine."""
    return 0.25 if fault.startswith(("never", "drips")) else 5


@asynccontextmanager
async def client_of(url: str, *, timeout_s: float = 5, connections: int = 1) -> AsyncGenerator[SystemClient]:
    client = SystemClient(url, timeout_s=timeout_s, connections=connections)
    try:
        with anyio.fail_after(20):
            yield client
    finally:
        await client.aclose()


async def failure_of(answer: Awaitable[object]) -> ToolFailure:
    with pytest.raises(ToolFailure) as raised:
        await answer
    return raised.value


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_read_without_an_answer_may_be_repeated(fault: str):
    async with raw_server(FAULTS[fault]) as server, client_of(server.url, timeout_s=patience_s(fault)) as client:
        failure = await failure_of(client.read("GET", "/machines"))
    assert type(failure) is BackendUnavailable
    assert server.connections == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_write_without_an_answer_is_lost_and_was_sent_once(fault: str):
    async with raw_server(FAULTS[fault]) as server, client_of(server.url, timeout_s=patience_s(fault)) as client:
        failure = await failure_of(
            client.write("POST", "/machines", json={"a": 1}, idempotency_key="k", repeatable=True)
        )
    assert type(failure) is AnswerLost
    assert failure.outcome_known is False
    assert server.connections == 1


async def test_a_refusal_counts_even_if_its_body_is_cut_off():
    conflict = sends(b"HTTP/1.1 409 Conflict\r\nContent-Length: 99\r\n\r\n{")
    async with raw_server(conflict) as server, client_of(server.url) as client:
        assert type(await failure_of(client.write("POST", "/machines"))) is Conflict


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_where_nothing_listens_nothing_was_sent(scheme: str):
    async with raw_server(closes_at_once) as server:
        url = server.url.replace("http", scheme)
    async with client_of(url) as client:
        for request in (client.read("GET", "/machines"), client.write("POST", "/machines")):
            failure = await failure_of(request)
            assert type(failure) is BackendUnavailable
            assert "was not reached" in failure.message


async def test_a_server_without_tls_gets_no_request():
    async def speaks_first(connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(speaks_first) as server, client_of(server.url.replace("http", "https")) as client:
        failure = await failure_of(client.write("POST", "/machines"))
    assert type(failure) is BackendUnavailable
    assert "was not reached (ConnectError" in failure.message
    assert (server.connections, server.requests) == (1, [])


async def test_a_header_that_cannot_be_one_is_our_fault_and_not_sent():
    async with raw_server(sends(OK)) as server, client_of(server.url) as client:
        failure = await failure_of(client.write("POST", "/machines", headers={"X-Note": "two\nlines, canary"}))
        assert server.requests == []
    assert type(failure) is InternalError
    assert "canary" not in repr((failure, failure.__context__))


async def test_a_long_body_that_the_system_does_not_take_is_a_lost_answer():
    async def resets_in_the_request(connection: Connection) -> None:
        await connection.head()
        connection.reset()

    async with raw_server(resets_in_the_request) as server, client_of(server.url, timeout_s=2) as client:
        failure = await failure_of(client.write("POST", "/machines", json="a" * 5_000_000, repeatable=True))
    assert type(failure) is AnswerLost


@pytest.mark.parametrize(
    ("conduct", "kind"),
    [
        (sends(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), BackendUnavailable),
        (sends(b"HTTP/1.1 200 OK\r\n\r\n"), BackendUnavailable),  # a tunnel that ends before TLS
        (closes_before_answering, AnswerLost),  # httpx says the same of the system itself, so this cannot be told apart
    ],
)
async def test_a_proxy_that_gives_no_way_to_the_system(
    conduct: Conduct, kind: type[ToolFailure], monkeypatch: pytest.MonkeyPatch
):
    async with raw_server(conduct) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with client_of("https://mes.example") as client:
            assert type(await failure_of(client.write("POST", "/machines"))) is kind
    assert proxy.requests[0].startswith(b"CONNECT mes.example:443 ")


async def test_an_early_hint_is_no_answer():
    async with (
        raw_server(sends(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK)) as server,
        client_of(server.url) as client,
    ):
        assert (await client.write("POST", "/machines")).status == 200


async def test_a_write_that_meets_the_end_of_a_kept_connection_is_lost():
    async def answers_once(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK)
        await connection.request()

    async with raw_server(answers_once) as server, client_of(server.url) as client:
        await client.read("GET", "/machines")
        assert type(await failure_of(client.write("POST", "/machines"))) is AnswerLost
        assert (server.connections, len(server.requests)) == (1, 2)
        assert (await client.read("GET", "/machines")).status == 200


async def test_a_connection_that_the_system_has_closed_is_not_used_again():
    gone = anyio.Event()

    async def answers_and_closes(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK)
        gone.set()

    async with raw_server(answers_and_closes) as server, client_of(server.url) as client:
        for _ in range(5):
            gone = anyio.Event()
            await client.write("POST", "/machines")
            await gone.wait()
            await anyio.wait_all_tasks_blocked()
        assert (server.connections, len(server.requests)) == (5, 5)


async def test_a_cancelled_write_leaves_a_client_that_works():
    hangs = True

    async def conduct(connection: Connection) -> None:
        while True:
            await connection.request()
            if hangs:
                await connection.until_closed()
                return
            await connection.send(OK)

    async with raw_server(conduct) as server, client_of(server.url, timeout_s=3) as client:
        for _ in range(5):
            server.arrived.clear()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: client.write("POST", "/machines"))
                await server.arrived.wait()
                tasks.cancel_scope.cancel()
        hangs = False
        assert (await client.write("POST", "/machines", json={})).status == 200
        assert server.connections == 6


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_an_answer_that_is_too_long_is_cut(framing: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mcp_server.backends.http.client.MOST_BYTES", 100_000)
    body = b'"' + b"a" * 200_000 + b'"'
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    heads = {
        "length": b"Content-Length: %d\r\n\r\n" % len(body) + body,
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
    }
    async with raw_server(sends(b"HTTP/1.1 200 OK\r\n" + heads[framing])) as server, client_of(server.url) as client:
        read = await failure_of(client.read("GET", "/machines"))
        write = await failure_of(client.write("POST", "/machines"))
        for _ in range(3):  # what was cut has given its connection back
            assert type(await failure_of(client.read("GET", "/machines"))) is InternalError
    assert type(read) is InternalError
    assert type(write) is AnswerLost
    assert "longer answer" in read.message
    assert "longer answer" in write.message


async def test_the_first_lines_of_a_request_say_who_asks_for_what():
    async with raw_server(sends(OK)) as server, client_of(f"{server.url}/api/v1/") as client:
        await client.write("POST", "/machines/A%2FB", params={"dry": "no"}, json={"a": 1}, idempotency_key="key-1")
    head = server.requests[0].decode().splitlines()
    assert head[0] == "POST /api/v1/machines/A%2FB?dry=no HTTP/1.1"
    assert "Idempotency-Key: key-1" in head
    assert "Accept: application/json" in head
    assert any(line.startswith("User-Agent: shopfloor-mcp/") for line in head)
    assert head[-1] == '{"a":1}'
