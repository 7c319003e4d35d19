"""Which tools a server offers. One that is left out does not exist: no host sees it, and a call of it is unknown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from mcp_server.errors import ConfigurationError
from mcp_server.pipeline.declaration import Tool, Toolset

__all__ = ["TOOLSETS", "Selection", "WrongSelection", "select_tools"]

AnyTool = Tool[Any, Any, Any]

TOOLSETS: tuple[str, ...] = get_args(Toolset)


class WrongSelection(ConfigurationError):
    """It names what does not exist, or leaves nothing."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a server is asked to offer; an empty tuple asks for nothing in particular.

    Toolsets stand for all their tools, tools for exactly themselves, both together for all of these; neither is
    everything. `exclude_tools` and `read_only` then take away, whatever was asked for.
    """

    toolsets: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    exclude_tools: tuple[str, ...] = ()
    read_only: bool = False


def select_tools(every: Sequence[AnyTool], selection: Selection) -> tuple[AnyTool, ...]:
    """The tools of `every` that are offered, in their order.

    Raises:
        WrongSelection: a name is unknown, or no tool is left.
    """
    names = [tool.name for tool in every]
    _check("toolsets", "toolset", selection.toolsets, TOOLSETS)
    _check("tools", "tool", selection.tools, names)
    _check("exclude-tools", "tool", selection.exclude_tools, names)
    offered = tuple(tool for tool in every if _asked_for(tool, selection) and not _taken_away(tool, selection))
    if not offered:
        raise WrongSelection(
            "These options leave no tool to offer.", suggestion="Ask for more toolsets or tools, or exclude fewer."
        )
    return offered


def _asked_for(tool: AnyTool, selection: Selection) -> bool:
    everything = not selection.toolsets and not selection.tools
    return everything or tool.toolset in selection.toolsets or tool.name in selection.tools


def _taken_away(tool: AnyTool, selection: Selection) -> bool:
    return tool.name in selection.exclude_tools or (selection.read_only and tool.writes)


def _check(option: str, noun: str, wanted: Iterable[str], known: Sequence[str]) -> None:
    for name in wanted:
        if name not in known:
            close = get_close_matches(name.casefold(), known, n=3)
            raise WrongSelection(
                f"--{option} (SHOPFLOOR_{option.replace('-', '_').upper()}): there is no {noun} {name[:80]!r}.",
                suggestion=f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(known)}.",
            )
