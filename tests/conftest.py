import pytest
from hypothesis import settings

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
