"""Reads a description, and refuses one that is wrong before anything is sent."""

import json
from pathlib import Path

from pydantic import ValidationError

from mcp_server.backends.described.checks import problems_of
from mcp_server.backends.described.description import Description
from mcp_server.backends.described.problems import shape_problems
from mcp_server.backends.described.source import Problem, Source, Where, read_source, shown_path
from mcp_server.errors import ConfigurationError

__all__ = ["load_description"]

_MOST_SHOWN = 5


def load_description(path: Path) -> Description:
    """The description in a YAML file, checked as a whole.

    Raises:
        ConfigurationError: it cannot be read or is wrong; names every place, up to five, and what to write there.
    """
    source = read_source(path)
    try:
        description = Description.model_validate_json(json.dumps(source.data))
    except ValidationError as error:
        raise _refused(path, source, shape_problems(error, source.data)) from None  # it repeats what the file says
    problems = list(problems_of(description))
    if problems:
        raise _refused(path, source, problems)
    return description


def _refused(path: Path, source: Source, problems: list[Problem]) -> ConfigurationError:
    in_order = sorted(problems, key=lambda problem: source.line_of(problem.where))
    shown = [
        f"  {shown_path(_as_written(problem.where, source))} (line {source.line_of(problem.where)}) {problem.message}"
        for problem in in_order[:_MOST_SHOWN]
    ]
    if len(in_order) > _MOST_SHOWN:
        shown.append(f"  and {len(in_order) - _MOST_SHOWN} more.")
    return ConfigurationError(
        "\n".join([f"{path.name} does not describe a system:", *shown, "See docs/reference/backend-description.md."])
    )


def _as_written(where: Where, source: Source) -> Where:
    """A field that is only a column has no key `column` in the file."""
    return where[:-1] if where not in source.lines and where[-1:] == ("column",) else where
