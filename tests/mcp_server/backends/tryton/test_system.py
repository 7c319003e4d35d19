import pytest
import respx
from pydantic import SecretStr

from mcp_server.backends.tryton import TrytonSystem, open_tryton
from mcp_server.errors import ConfigurationError
from tests.mcp_server.backends.tryton.conftest import BASE, URL, recorded, response

pytestmark = pytest.mark.anyio


async def test_it_says_what_it_is(system: TrytonSystem, tryton: respx.MockRouter) -> None:
    tryton.get(f"{BASE}/ir.module").mock(response(recorded("sign_in", "probe")[1]["answer"]))
    info = await system.probe()
    assert (info.product, info.version, info.signed_in_as) == ("Tryton", "8.2.0", "Shopfloor, Plant")
    (note,) = info.notes
    assert "not encrypted" in note
    assert system.name == "Tryton at tryton.test:8000, database factory"
    assert (system.idempotency_keys, system.revisions) == (False, False)


async def test_a_module_that_is_missing_is_named(system: TrytonSystem, tryton: respx.MockRouter) -> None:
    answer = recorded("sign_in", "probe")[1]["answer"]
    left = [module for module in answer["json"] if module["name"] != "quality"]
    answer |= {"json": left, "headers": answer["headers"] | {"content-range": f"records 0-{len(left)}/{len(left)}"}}
    tryton.get(f"{BASE}/ir.module").mock(response(answer))
    (_, note) = (await system.probe()).notes
    assert "module quality is not activated, so specifications and issues cannot be read" in note


@pytest.mark.parametrize("token", [None, SecretStr("")])
async def test_without_a_key_the_setting_is_named(token: SecretStr | None) -> None:
    with pytest.raises(ConfigurationError, match="SHOPFLOOR_BACKEND_TOKEN"):
        open_tryton(URL, token=token)
