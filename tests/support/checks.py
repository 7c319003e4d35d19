"""Cases for the declared checks of the tools: a call that one check refuses, and what must be wrong for it."""

import importlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from mcp_server.backends.base import Page
from mcp_server.domain.records import Record
from mcp_server.pipeline.declaration import Tool
from tests.support.sample_plant import Lies, SamplePlant

AnyTool = Tool[Any, Any, Any]
Run = Callable[[AnyTool, Any, Any], Awaitable[Any]]
ALPHA = {"project": "ALPHA"}


@dataclass(frozen=True)
class Case:
    """A call that one check refuses with `code` at `field`, and what must be wrong for it: former calls, a state that
    `prepare` brings about (it may return more arguments), a backend that lies, or a tool that runs as in `run`.
    """

    code: str
    field: str | None
    arguments: Mapping[str, Any]
    before: tuple[str, Mapping[str, Any]] | Sequence[tuple[str, Mapping[str, Any]]] | None = None
    prepare: Callable[[SamplePlant], Awaitable[Mapping[str, Any]]] | None = None
    lies: Lies | None = None
    run: Run | None = None

    @property
    def earlier(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """The calls that come first."""
        match self.before:
            case None:
                return ()
            case (str(name), arguments):
                return ((name, arguments),)  # pyright: ignore[reportReturnType] - the pair, not a sequence of pairs
            case calls:
                return calls  # pyright: ignore[reportReturnType] - the sequence


def lying(kind: type[Record], lie: Callable[[Any], Any]) -> Lies:
    """Changes what is found of one kind of record."""

    def find(page: Page[Any]) -> Page[Any]:
        return replace(page, items=lie(page.items)) if page.items and type(page.items[0]) is kind else page

    return Lies(find=find)


def twice(kind: type[Record]) -> Lies:
    return lying(kind, lambda items: items * 2)


def each(**update: Any) -> Callable[[Any], Any]:
    return lambda items: tuple(item.model_copy(update=update) for item in items)


def asked_for(**update: Any) -> Run:
    """The tool works on another request than it got."""
    return lambda tool, request, call: tool.run(request.model_copy(update=update), call)


def answering(change: Callable[[Any], dict[str, Any]]) -> Run:
    """The tool answers with something else than it found."""

    async def run(tool: AnyTool, request: Any, call: Any) -> Any:
        result = await tool.run(request, call)
        return result.model_copy(update=change(result))

    return run


def case_modules() -> Iterator[ModuleType]:
    """One module a toolset in `tests/mcp_server/tools/checks`, each with VALID, PRECONDITIONS and RESULT_CHECKS."""
    folder = Path(__file__).parents[1] / "mcp_server" / "tools" / "checks"
    for path in sorted(folder.glob("*.py")):
        yield importlib.import_module(f"tests.mcp_server.tools.checks.{path.stem}")
