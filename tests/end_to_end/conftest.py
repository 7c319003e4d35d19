from pathlib import Path

import pytest

from tests.end_to_end.programs import Programs


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path / "data")
