"""Hypothesis strategies for what a published schema allows: free values, or values that mean something in the plant."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.support.sample_plant import AS_OF

NOON = datetime(AS_OF.year, AS_OF.month, AS_OF.day, 12)  # noqa: DTZ001 - the offset is written as text
Words = Mapping[str, Sequence[str]]


def values(  # noqa: PLR0911 - one line a type
    schema: dict[str, Any], words: Words | None = None, name: str = ""
) -> st.SearchStrategy[Any]:
    """Values a schema allows. For a text field named in `words`, by its whole name or its end, mostly those."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"], schema.get("format"):
        case "string", "date-time":
            return _moments(near=bool(words)).map(lambda when: f"{when.isoformat()}Z")
        case "string", "date":
            return _moments(near=bool(words)).map(lambda when: when.date().isoformat())
        case "string", _:
            return _texts(schema, _known(name, words or {}))
        case "integer", _:
            small = st.integers(schema["minimum"], min(schema["maximum"], schema["minimum"] + 6))
            return st.one_of(small, st.integers(schema["minimum"], schema["maximum"]))
        case "number", _:
            return st.floats(schema["minimum"], schema["maximum"])
        case "boolean", _:
            return st.booleans()
        case "array", _:
            return st.lists(values(schema["items"], words, name), min_size=schema.get("minItems", 0), max_size=3)
        case _:
            return _objects(schema, words)


def _objects(schema: dict[str, Any], words: Words | None) -> st.SearchStrategy[dict[str, Any]]:
    required = schema.get("required", ())
    parts = {name: values(part, words, name) for name, part in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


def _moments(*, near: bool) -> st.SearchStrategy[datetime]:
    anywhere = st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30))  # noqa: DTZ001 - as above
    if not near:
        return anywhere
    return st.one_of(st.integers(-3_000, 3_000).map(lambda hours: NOON + timedelta(hours=hours)), anywhere)


def _texts(schema: dict[str, Any], known: Sequence[str]) -> st.SearchStrategy[str]:
    shortest, longest = schema.get("minLength", 10), schema.get("maxLength", 20)
    free = st.text("abcXYZ 019-é漢", min_size=shortest, max_size=max(shortest, longest)).map(
        lambda text: f"a{text[1:-1]}z" if len(text) > 1 else "a"
    )
    fitting = [word for word in known if shortest <= len(word) <= longest]
    return st.one_of(st.sampled_from(fitting), st.sampled_from(fitting), free) if fitting else free


def _known(name: str, words: Words) -> Sequence[str]:
    for ending, known in words.items():
        if name == ending or name.endswith(f"_{ending}") or name.removesuffix("s") == ending:
            return known
    return ()
