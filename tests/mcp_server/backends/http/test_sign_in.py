"""The session, seen through the client that uses it."""

from collections.abc import Awaitable, Callable, Mapping

import anyio
import httpx
import pytest

from mcp_server.backends.http.client import Answer, SystemClient
from mcp_server.errors import BackendUnavailable, InternalError, NotAllowed, ToolFailure

pytestmark = pytest.mark.anyio


class Mes:
    """A system whose tokens are numbered, and hold until `valid_from` is raised."""

    def __init__(self) -> None:
        self.sign_ins = 0
        self.valid_from = 1
        self.seen: list[str] = []
        self.login: Callable[[], httpx.Response] = lambda: httpx.Response(200, json={"token": str(self.sign_ins)})
        self.client = SystemClient(
            "http://mes.example", sign_in=self._sign_in, transport=httpx.MockTransport(self._answer)
        )

    async def _sign_in(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        answer = await http.post("/login", json={"password": "canary"})
        answer.raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()  # so that the others arrive meanwhile
        if request.url.path == "/login":
            self.sign_ins += 1
            return self.login()
        self.seen.append(request.headers["authorization"])
        valid = int(self.seen[-1].removeprefix("Bearer ")) >= self.valid_from
        return httpx.Response(200, json={}) if valid else httpx.Response(401)


async def at_once(count: int, ask: Callable[[], Awaitable[Answer]]) -> list[Answer | ToolFailure]:
    ends: list[Answer | ToolFailure] = []

    async def one() -> None:
        try:
            ends.append(await ask())
        except ToolFailure as failure:
            ends.append(failure)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(one)
    return ends


async def test_fifty_calls_at_once_sign_in_once_and_renew_once():
    mes = Mes()
    assert {type(end) for end in await at_once(50, lambda: mes.client.read("GET", "/machines"))} == {Answer}
    assert (mes.sign_ins, len(mes.seen)) == (1, 50)
    mes.valid_from = 2
    assert {type(end) for end in await at_once(50, lambda: mes.client.read("GET", "/machines"))} == {Answer}
    assert mes.sign_ins == 2


async def test_fifty_calls_with_a_wrong_password_are_one_failed_sign_in():
    mes = Mes()
    mes.login = lambda: httpx.Response(401, json={"detail": "Wrong password canary"})
    ends = await at_once(50, lambda: mes.client.write("POST", "/machines"))
    assert {type(end) for end in ends} == {NotAllowed}
    assert len({id(end) for end in ends}) == 50
    assert (mes.sign_ins, mes.seen) == (1, [])
    assert all("SHOPFLOOR_BACKEND_PASSWORD" in end.suggestion for end in ends if isinstance(end, ToolFailure))
    assert "canary" not in repr(ends)


@pytest.mark.parametrize("method", ["read", "write"])
async def test_a_request_is_repeated_once_after_a_401_and_then_refused(method: str):
    mes = Mes()
    mes.valid_from = 2
    ask = getattr(mes.client, method)
    assert (await ask("POST", "/machines")).status == 200
    assert mes.seen == ["Bearer 1", "Bearer 2"]
    mes.valid_from = 99
    with pytest.raises(NotAllowed, match="status 401"):
        await ask("POST", "/machines")
    assert mes.seen[2:] == ["Bearer 2", "Bearer 3"]
    assert mes.sign_ins == 3


async def test_without_a_sign_in_a_401_is_final():
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(401)

    client = SystemClient("http://mes.example", transport=httpx.MockTransport(answer))
    with pytest.raises(NotAllowed):
        await client.write("POST", "/machines")
    assert len(seen) == 1


def fails(error: Exception) -> Callable[[], httpx.Response]:
    def login() -> httpx.Response:
        raise error

    return login


@pytest.mark.parametrize(
    ("login", "kind"),
    [
        *[(lambda status=status: httpx.Response(status), NotAllowed) for status in (400, 401, 403, 407, 422)],
        *[(lambda status=status: httpx.Response(status), BackendUnavailable) for status in (408, 429, 500, 503)],
        *[(lambda status=status: httpx.Response(status), InternalError) for status in (302, 404, 405, 410)],
        (lambda: httpx.Response(200, text="<html>"), InternalError),
        (lambda: httpx.Response(200, json={"other": 1}), InternalError),
        (lambda: httpx.Response(200, json=[]), InternalError),
        (fails(httpx.ConnectError("x")), BackendUnavailable),
        (fails(httpx.ReadTimeout("x")), BackendUnavailable),
        (fails(httpx.RemoteProtocolError("x")), BackendUnavailable),
        (fails(httpx.DecodingError("x")), InternalError),
        (fails(httpx.LocalProtocolError("Illegal header value canary")), InternalError),
        (fails(OSError("x")), BackendUnavailable),
        (fails(NotAllowed("The adapter says so.")), NotAllowed),
    ],
)
async def test_a_sign_in_that_fails_is_told_and_tried_again_by_the_next_call(
    login: Callable[[], httpx.Response], kind: type[ToolFailure]
):
    mes = Mes()
    works, mes.login = mes.login, login
    with pytest.raises(ToolFailure) as raised:
        await mes.client.write("POST", "/machines")
    assert type(raised.value) is kind
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert mes.seen == []
    mes.login = works
    assert (await mes.client.write("POST", "/machines")).status == 200


@pytest.mark.parametrize("status", [404, 405, 410])
async def test_a_wrong_path_points_to_the_url_and_not_to_the_password(status: int):
    mes = Mes()
    mes.login = lambda: httpx.Response(status)
    with pytest.raises(InternalError, match="has no sign-in at this address") as raised:
        await mes.client.read("GET", "/machines")
    assert "the path in the URL of --backend" in raised.value.suggestion
    assert "PASSWORD" not in raised.value.suggestion


async def test_a_cancelled_sign_in_leaves_the_next_call_to_sign_in():
    mes = Mes()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: mes.client.read("GET", "/machines"))
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert (await mes.client.read("GET", "/machines")).status == 200
