"""The adapter in front of a MES that answers as the real one did; a test says what to which question."""

from collections.abc import AsyncGenerator, Generator

import pytest
import respx

from mcp_server.backends.fsmes import FsmesSystem
from tests.mcp_server.backends.fsmes.recorded import PLACE, client_to


@pytest.fixture
def server() -> Generator[respx.MockRouter]:
    with respx.mock(base_url=f"http://{PLACE}") as router:
        yield router


@pytest.fixture
async def mes(server: respx.MockRouter) -> AsyncGenerator[FsmesSystem]:
    system = FsmesSystem(client_to(PLACE), place=PLACE, keyed=False, looks_after_s=(0, 0))
    yield system
    await system.aclose()
