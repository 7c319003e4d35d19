from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture
def no_waits() -> Iterator[None]:
    """Retries without waiting, as often as the code says but at most three times."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield
