"""Reads YAML as plain data, and remembers on which line each part stands."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mcp_server.errors import ConfigurationError

__all__ = ["Problem", "Source", "Where", "read_source", "shown_path"]

Where = tuple[str | int, ...]
"""Keys and positions from the top of the file down to a part of it."""

_MOST_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to change in the file: where, and what to do."""

    where: Where
    message: str


@dataclass(frozen=True, slots=True)
class Source:
    data: Any
    lines: dict[Where, int]

    def line_of(self, where: Where) -> int:
        """Of the part, or of the nearest one around it that is there."""
        while where not in self.lines:
            where = where[:-1]
        return self.lines[where]


class _PlainLoader(yaml.SafeLoader):
    """YAML 1.2 scalars: `off` and `no` are words, `06:00` and `2026-11-22` are texts. No aliases."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - so the base class declares it


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
    ("float", r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$", "-0123456789"),
):
    _PlainLoader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType] - untyped in PyYAML
        f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first)
    )


def shown_path(where: Where) -> str:
    """`records.machine.fields.status`, `error[0]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return "".join(parts).removeprefix(".") or "the file"


def read_source(path: Path) -> Source:
    """The file as JSON-like data. Keys are texts.

    Raises:
        ConfigurationError: it cannot be read, is too large or too deep, is no YAML, or a key stands twice.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(
            f"The description {path} cannot be read: {reason}.", suggestion="Name a YAML file in UTF-8."
        ) from error
    if len(content) > _MOST_BYTES:
        raise ConfigurationError(
            f"{path.name} has {len(content)} bytes.", suggestion=f"A description has at most {_MOST_BYTES}."
        )
    lines: dict[Where, int] = {(): 1}
    try:
        _refuse_aliases(text)
        loader = _PlainLoader(text)
        node = loader.get_single_node()
        data = None if node is None else _plain(loader, node, (), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigurationError(
            f"{path.name}: {line}{error.problem or error.context}.",
            suggestion="Indent with spaces, and quote texts that hold a colon or a brace.",
        ) from error
    except RecursionError as error:
        raise ConfigurationError(
            f"{path.name} is nested too deeply.", suggestion="A description has at most a few levels."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"{path.name} holds a character that YAML does not allow.", suggestion="Save it as plain text in UTF-8."
        ) from error
    return Source(data, lines)


def _refuse_aliases(text: str) -> None:
    """A few of them could stand for more than fits into memory."""
    for token in yaml.scan(text):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped in PyYAML
        if isinstance(token, yaml.AliasToken):
            raise yaml.MarkedYAMLError(
                problem="an alias (*) is not read here, write the part out", problem_mark=token.start_mark
            )


def _plain(loader: _PlainLoader, node: yaml.Node, where: Where, lines: dict[Where, int]) -> Any:  # noqa: ANN401 - YAML of any shape
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = _name(key)
            if name in found:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {shown_path((*where, name))} stands twice", problem_mark=key.start_mark
                )
            lines[*where, name] = key.start_mark.line + 1
            found[name] = _plain(loader, value, (*where, name), lines)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, part, (*where, index), lines) for index, part in enumerate(node.value)]
    return loader.construct_object(node)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - untyped in PyYAML


def _name(key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode):
        raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key.start_mark)
    return key.value
