"""The published contract on disk: `schemas/tools/<tool>.json`, exactly what `tools/list` shows of each tool."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["compare_schemas", "write_schemas"]


def write_schemas(folder: Path, tools: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Bring the folder to the given tools; returns the names that were added, changed or removed."""
    directory = folder / "tools"
    directory.mkdir(parents=True, exist_ok=True)
    changed: list[str] = []
    for name, schema in tools.items():
        path, text = directory / f"{name}.json", _text(schema)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    for path in sorted(directory.glob("*.json")):
        if path.stem not in tools:
            path.unlink()
            changed.append(path.stem)
    return changed


def compare_schemas(folder: Path, tools: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for every tool whose file is missing, differs, or belongs to no tool."""
    directory = folder / "tools"
    found: list[str] = []
    for name, schema in tools.items():
        path = directory / f"{name}.json"
        if not path.exists():
            found.append(f"{name}: no schema is written")
        elif path.read_text(encoding="utf-8") != _text(schema):
            found.append(f"{name}: the tool and its written schema differ")
    found += [f"{p.stem}: a schema without a tool" for p in sorted(directory.glob("*.json")) if p.stem not in tools]
    return found


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
