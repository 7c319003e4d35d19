"""The published contract on disk: `schemas/tools/<tool>.json`, exactly what `tools/list` shows of each tool.

Beside the folder stand the schemas of files that people write, such as `schemas/backend.schema.json`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["compare_schemas", "write_schemas"]

Schemas = Mapping[str, Mapping[str, Any]]

_NONE: Schemas = MappingProxyType({})


def write_schemas(folder: Path, tools: Schemas, files: Schemas = _NONE) -> list[str]:
    """Bring the folder to the given tools and files; returns the names that were added, changed or removed."""
    directory = folder / "tools"
    directory.mkdir(parents=True, exist_ok=True)
    changed: list[str] = []
    for name, (path, schema) in _wanted(folder, tools, files).items():
        text = _text(schema)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    for path in sorted(directory.glob("*.json")):
        if path.stem not in tools:
            path.unlink()
            changed.append(path.stem)
    return changed


def compare_schemas(folder: Path, tools: Schemas, files: Schemas = _NONE) -> list[str]:
    """One line for every schema that is missing or differs, and for every file in `tools` that belongs to no tool."""
    found: list[str] = []
    for name, (path, schema) in _wanted(folder, tools, files).items():
        if not path.exists():
            found.append(f"{name}: no schema is written")
        elif path.read_text(encoding="utf-8") != _text(schema):
            found.append(f"{name}: the {'tool' if name in tools else 'program'} and its written schema differ")
    superfluous = (path.stem for path in sorted((folder / "tools").glob("*.json")))
    return found + [f"{name}: a schema without a tool" for name in superfluous if name not in tools]


def _wanted(folder: Path, tools: Schemas, files: Schemas) -> dict[str, tuple[Path, Mapping[str, Any]]]:
    of_tools = {name: (folder / "tools" / f"{name}.json", schema) for name, schema in tools.items()}
    return of_tools | {name: (folder / name, schema) for name, schema in files.items()}


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
