"""Finds the data files that ship with the program: inside an installed wheel, or at the root of a source checkout."""

from pathlib import Path

__all__ = ["sample_plant_dir", "schemas_dir"]

_PACKAGE = Path(__file__).parent


def sample_plant_dir() -> Path:
    """The CSV files of the sample plant."""
    return _find("sample_plant", "fixtures/sample_plant")


def schemas_dir() -> Path:
    """The published contract: one JSON Schema file per tool."""
    return _find("schemas", "schemas")


def _find(bundled: str, in_checkout: str) -> Path:
    installed = _PACKAGE / "_bundle" / bundled
    return installed if installed.is_dir() else _PACKAGE.parent / in_checkout
