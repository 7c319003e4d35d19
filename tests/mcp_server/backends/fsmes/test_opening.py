import json
from typing import Any

import pytest
import respx
from pydantic import SecretStr

from mcp_server.backends.fsmes import open_fsmes
from mcp_server.errors import ConfigurationError, NotAllowed
from tests.mcp_server.backends.fsmes.recorded import PLACE, answer_to

pytestmark = pytest.mark.anyio
CREDENTIALS: dict[str, Any] = {"user": "ADMIN", "password": SecretStr("admin"), "token": None}


async def test_user_and_password_are_changed_for_a_token(server: respx.MockRouter) -> None:
    login = server.post("/auth/login").mock(return_value=answer_to("session", "POST /auth/login"))
    asked = server.get("/masterdata/materials").mock(return_value=answer_to("materials", "GET /masterdata/materials"))
    system = open_fsmes(f"fsmes+http://{PLACE}", **CREDENTIALS)
    [_ async for _ in next(iter(c for k, c in system.collections.items() if k.__name__ == "Material")).pages()]
    await system.aclose()
    assert json.loads(login.calls.last.request.content) == {"code": "ADMIN", "password": "admin"}
    assert asked.calls.last.request.headers["Authorization"] == "Bearer a-token"


async def test_a_wrong_password_is_told_without_it(server: respx.MockRouter) -> None:
    server.post("/auth/login").mock(return_value=answer_to("session", "POST /auth/login", 2))
    system = open_fsmes(f"fsmes+http://{PLACE}", **CREDENTIALS)
    with pytest.raises(NotAllowed) as refused:
        await system.probe()
    await system.aclose()
    assert "admin" not in str(refused.value.as_json())


async def test_a_ready_token_is_sent_as_it_is(server: respx.MockRouter) -> None:
    asked = server.get("/prefix/openapi.json").respond(401, json={"detail": "sign in required"})
    system = open_fsmes(
        f"fsmes+http://{PLACE}/prefix?idempotency_keys=off", user=None, password=None, token=SecretStr("t0k3n")
    )
    with pytest.raises(NotAllowed):
        await system.probe()
    await system.aclose()
    assert asked.calls.last.request.headers["Authorization"] == "Bearer t0k3n"


@pytest.mark.parametrize(
    ("query", "keyed"), [("", False), ("?idempotency_keys=off", False), ("?idempotency_keys=on", True)]
)
async def test_the_url_says_whether_keys_are_sent(query: str, keyed: bool) -> None:
    system = open_fsmes(f"fsmes+https://{PLACE}{query}", **CREDENTIALS)
    await system.aclose()
    assert system.idempotency_keys is keyed
    assert system.name == f"FactorySemantics MES at {PLACE}"


@pytest.mark.parametrize("query", ["?idempotency_keys=yes", "?keys=on", "?idempotency_keys=on&more=1"])
async def test_an_unknown_option_of_the_url_is_refused(query: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\?idempotency_keys=on"):
        open_fsmes(f"fsmes+http://{PLACE}{query}", **CREDENTIALS)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"user": None}, "SHOPFLOOR_BACKEND_USER is not set"),
        ({"password": None}, "SHOPFLOOR_BACKEND_PASSWORD is not set"),
    ],
)
async def test_a_missing_credential_is_named(given: dict[str, Any], missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        open_fsmes(f"fsmes+http://{PLACE}", **CREDENTIALS | given)


@pytest.mark.parametrize(
    "url",
    ["fsmes+htp://mes", "fsmes+http://", "fsmes+http://[::1", "fsmes+http://mes:99999", "fsmes+http://u:12/s3cret@mes"],
)
async def test_a_wrong_url_is_told_before_a_missing_credential_and_never_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SHOPFLOOR_BACKEND") as refused:
        open_fsmes(url, user=None, password=None, token=None)
    assert "s3cret" not in str(refused.value)
    assert "URL" in str(refused.value)
