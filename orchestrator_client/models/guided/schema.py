"""A tool's input schema as a form can ask it: references followed, unions decided, every part with one type. Pure."""

from typing import Any

from orchestrator_client.dialogue.json_values import as_list, as_object, is_list, is_object, objects_in

__all__ = ["is_list_of_objects", "is_object_with_fields", "simplified"]

_DEEPEST = 12
"""Levels followed; a type that contains itself ends as one without fields, which is asked for as JSON."""


def simplified(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without `$ref`, `allOf`, and unions: of several alternatives the first that is not null counts."""
    return _simplified(schema, schema, _DEEPEST)


def is_list_of_objects(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "array" and is_object_with_fields(as_object(schema.get("items")))


def is_object_with_fields(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and bool(schema.get("properties"))


def _simplified(schema: dict[str, Any], root: dict[str, Any], levels: int) -> dict[str, Any]:
    if levels == 0:
        return {"type": "object"}
    here = _decided(schema, root)
    if here is not schema:
        return _simplified(here, root, levels - 1)
    changed = dict(schema)
    if "properties" in schema:
        parts = as_object(schema["properties"])
        changed["properties"] = {name: _simplified(as_object(part), root, levels - 1) for name, part in parts.items()}
    if "items" in schema:
        changed["items"] = _simplified(as_object(schema["items"]), root, levels - 1)
    if "const" in schema:
        changed["enum"] = [schema["const"]]
    if "enum" in changed:
        changed["enum"] = [value for value in as_list(changed["enum"]) if value is not None]
    return changed | {"type": _type_of(changed)}


def _decided(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """One reference or union less, or the schema itself when there is none; what stands beside it wins."""
    rest = dict(schema)
    if "$ref" in rest:
        return {**_target(root, str(rest.pop("$ref"))), **rest}
    if "allOf" in rest:
        parts = objects_in(rest.pop("allOf"))
        return {name: value for part in (*parts, rest) for name, value in part.items()}
    for union in ("anyOf", "oneOf"):
        if union in rest:
            branches = [branch for branch in objects_in(rest.pop(union)) if branch.get("type") != "null"]
            return {**(branches[0] if branches else {}), **rest}
    return schema


def _target(root: dict[str, Any], reference: str) -> dict[str, Any]:
    """What a reference inside the document names; others are never followed."""
    if not reference.startswith("#"):
        return {}
    here: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        here = as_object(here).get(step.replace("~1", "/").replace("~0", "~"))
    return as_object(here)


def _type_of(schema: dict[str, Any]) -> str:
    stated = schema.get("type")
    if is_list(stated):
        stated = next((kind for kind in stated if kind != "null"), None)
    if isinstance(stated, str):
        return stated
    if is_object(schema.get("properties")):
        return "object"
    return "array" if "items" in schema else "string"
