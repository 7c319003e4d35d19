from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from tests.support.plants import Plant


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    monkeypatch.setenv("PLANT_LEDGER", str(tmp_path))
    return Plant(tmp_path)


@pytest.fixture
def no_waits() -> Iterator[None]:
    """Retries follow each other at once; there are as many as in earnest."""
    with stamina.set_testing(True, attempts=1_000, cap=True):
        yield
