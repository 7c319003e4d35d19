from collections.abc import Callable
from pathlib import Path

import pytest

PROJECTS = (
    "project,code,site,product,status,sop_date,annual_volume,time_zone\n"
    "Pumps,PUMP,N1,Oil pump,production,2025-01-07,1000,Europe/Prague\n"
)

WriteFiles = Callable[..., Path]


@pytest.fixture
def plant(tmp_path: Path) -> WriteFiles:
    """Writes a plant with one project and these files, by name; returns its folder."""

    def written(**files: str) -> Path:
        folder = tmp_path / "plant"
        folder.mkdir(exist_ok=True)
        for name, text in ({"projects": PROJECTS} | files).items():
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        return folder

    return written
