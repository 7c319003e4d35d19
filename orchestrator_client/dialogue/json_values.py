"""Narrowing of JSON that came from elsewhere: what is not of the expected kind counts as empty."""

from typing import Any, TypeGuard

__all__ = ["as_list", "as_object", "is_list", "is_object", "objects_in"]


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def as_object(value: object) -> dict[str, Any]:
    return value if is_object(value) else {}


def as_list(value: object) -> list[Any]:
    return value if is_list(value) else []


def objects_in(value: object) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [item for item in as_list(value) if is_object(item)]
