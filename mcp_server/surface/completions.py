"""Completions: what a person may mean while they type an id, for arguments of prompts and addresses of resources."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import mcp_types as types
from mcp.shared.exceptions import MCPError

from mcp_server.backends.base import Query, Reader
from mcp_server.domain.records import SHARED, Project, Record
from mcp_server.errors import ToolFailure
from mcp_server.pipeline.preconditions import in_use
from mcp_server.surface.kinds import Kind
from mcp_server.surface.prompts import Prompts
from mcp_server.surface.reading import PlantReading

__all__ = ["Completions"]

MOST_VALUES: Final = 100
"""The protocol allows no more in one answer."""

_MOST_READ = 2_000
_LONGEST_VALUE = 80


class Completions:
    def __init__(self, reading: PlantReading, prompts: Prompts, kinds: Sequence[Kind]) -> None:
        self._reading = reading
        self._prompts = prompts
        self._kinds = {kind.template: kind.record for kind in kinds}

    async def complete(
        self,
        reference: types.PromptReference | types.ResourceTemplateReference,
        argument: types.CompletionArgument,
        context: types.CompletionContext | None,
    ) -> types.Completion:
        """Ids that begin with the value, then such whose name does, then those that contain it.

        Raises:
            MCPError: there is no such prompt or address, or the records cannot be read now.
        """
        source = self._source(reference, argument.name)
        value = argument.value.strip().casefold()
        if not isinstance(source, type):
            return _completion([choice for choice in source if value in choice], more_unread=False)
        if len(value) > _LONGEST_VALUE:
            return _completion([], more_unread=False)
        given = (context.arguments if context is not None else None) or {}
        try:
            return await self._reading(lambda reader: _matching(reader, source, value, given))
        except ToolFailure as failure:
            raise MCPError(code=types.INTERNAL_ERROR, message=failure.message, data=failure.as_json()) from failure

    def _source(
        self, reference: types.PromptReference | types.ResourceTemplateReference, name: str
    ) -> type[Record] | tuple[str, ...]:
        """The records or the fixed choices that an argument takes; free text has no choices."""
        if isinstance(reference, types.ResourceTemplateReference):
            kind = self._kinds.get(reference.uri)
            if kind is None:
                raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown resource: {reference.uri[:_LONGEST_VALUE]}")
            return kind if name == "id" else ()
        argument = self._prompts.argument(reference.name, name)
        return () if argument is None else argument.kind or argument.choices


async def _matching(reader: Reader, kind: type[Record], value: str, given: Mapping[str, str]) -> types.Completion:
    """What was filled in before narrows the choice: the project, and what the records refer to, such as a machine."""
    refers = {f"{name}_id": (said.strip(),) for name, said in given.items() if said.strip()}
    among: dict[str, tuple[str, ...]] = {field: ids for field, ids in refers.items() if field in kind.model_fields}
    if (wanted := given.get("project", "").strip()) and "project" in kind.model_fields:
        among["project"] = (*await _project_ids(reader, wanted), SHARED)
    page = await reader.find(kind, Query(among, text=value or None, limit=_MOST_READ))
    found = sorted((rank, record.id) for record in page.items if (rank := _rank(record, value)) is not None)
    return _completion(dict.fromkeys(record_id for _, record_id in found), more_unread=page.total > len(page.items))


async def _project_ids(reader: Reader, wanted: str) -> list[str]:
    projects = (await reader.find(Project, Query())).items
    return [project.id for project in projects if wanted.casefold() in {project.id.casefold(), project.name.casefold()}]


def _rank(record: Record, value: str) -> tuple[bool, int] | None:
    """What is in use comes first; None is no match."""
    record_id, name = record.id.casefold(), record.known_as.casefold()
    fits = (record_id.startswith(value), name.startswith(value), value in record_id or value in name)
    return (not in_use(record), fits.index(True)) if any(fits) else None


def _completion(values: Iterable[str], *, more_unread: bool) -> types.Completion:
    every = list(values)
    return types.Completion(
        values=every[:MOST_VALUES],
        total=None if more_unread else len(every),
        has_more=more_unread or len(every) > MOST_VALUES,
    )
