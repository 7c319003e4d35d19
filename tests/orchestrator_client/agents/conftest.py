from pathlib import Path

import pytest

from tests.support.plants import Plant


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    monkeypatch.setenv("PLANT_LEDGER", str(tmp_path))
    return Plant(tmp_path)
