"""Resources: every record under its own address, as the JSON that the tools give too.

`plant://projects` lists the projects, `plant://machines/MC-101` is one record. Of a document the newest revision is
meant, or the one after an `@`: `plant://sops/SOP-A-070@3`.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

import mcp_types as types
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.shared.exceptions import MCPError

from mcp_server.backends.base import Query, Reader
from mcp_server.clock import Clock
from mcp_server.domain.records import Document, Project, Record, document_key
from mcp_server.errors import ToolFailure
from mcp_server.pipeline.preconditions import closest, did_you_mean
from mcp_server.surface.kinds import SCHEME, Kind
from mcp_server.surface.reading import PlantReading

__all__ = ["Resources"]

_JSON = "application/json"
_PROJECTS = f"{SCHEME}projects"
_ADDRESS = re.compile(rf"{SCHEME}([a-z-]+)(?:/([^/?#]+))?")
_REVISION = re.compile(r"(.+)@([0-9]{1,6})")
_LONGEST_ID = 80
_MOST_COMPARED = 2_000

D = TypeVar("D", bound=Document)


class Resources:
    def __init__(self, reading: PlantReading, kinds: Sequence[Kind], clock: Clock) -> None:
        self._reading = reading
        self._kinds = {kind.segment: kind for kind in kinds}
        self._clock = clock

    def listed(self) -> list[types.Resource]:
        if "projects" not in self._kinds:
            return []
        return [
            types.Resource(
                uri=_PROJECTS, name="projects", title="All projects", description="Codes and names", mime_type=_JSON
            )
        ]

    def templates(self) -> list[types.ResourceTemplate]:
        return [
            types.ResourceTemplate(
                uri_template=kind.template,
                name=kind.segment,
                title=f"One {kind.record.noun}",
                description="Newest revision; id@2 is revision 2" if kind.is_document else "By id",
                mime_type=_JSON,
            )
            for kind in self._kinds.values()
        ]

    async def read(self, uri: str) -> ReadResourceContents:
        """The record at an address.

        Raises:
            ResourceNotFoundError: there is none; the message names close ids.
            MCPError: the records cannot be read now; its data is the error object of the tools.
        """
        address = _ADDRESS.fullmatch(uri)
        kind = self._kinds.get(address[1]) if address else None
        if address is None or kind is None:
            raise ResourceNotFoundError(
                f"There is no resource {uri[:_LONGEST_ID]!r}. Addresses are "
                f"{', '.join(known.template for known in self._kinds.values()) or 'none'}."
            )
        try:
            content, source = await self._reading(lambda reader: _content(reader, kind, address[2]))
        except ToolFailure as failure:
            data = failure.as_json()["error"] | {"uri": uri}
            raise MCPError(code=types.INTERNAL_ERROR, message=failure.message, data=data) from failure
        read_at = {"io.shopfloor/source": source, "io.shopfloor/as-of": self._clock.now().isoformat()}
        return ReadResourceContents(
            json.dumps(content, ensure_ascii=False, separators=(",", ":")), mime_type=_JSON, meta=read_at
        )


async def _content(reader: Reader, kind: Kind, wanted: str | None) -> tuple[dict[str, Any], str]:
    """What stands at the address, and where it comes from."""
    if wanted is None:
        return await _every_project(reader, kind), reader.source
    return _as_json(await _record(reader, kind, unquote(wanted))), reader.source


async def _every_project(reader: Reader, kind: Kind) -> dict[str, Any]:
    if kind.record is not Project:
        raise ResourceNotFoundError(f"Give an id: {kind.template}. {kind.reader} lists them.")
    page = await reader.find(Project, Query())
    return {"items": [_as_json(project) for project in page.items], "total": page.total}


async def _record(reader: Reader, kind: Kind, wanted: str) -> Record:
    if len(wanted) <= _LONGEST_ID and wanted.isprintable():
        record = kind.record
        found = (
            await _revision(reader, record, wanted)
            if issubclass(record, Document)
            else await reader.get(record, wanted)
        )
        if found is not None:
            return found
    raise await _unknown(reader, kind, wanted[:_LONGEST_ID])


async def _revision(reader: Reader, kind: type[D], wanted: str) -> D | None:
    with_revision = _REVISION.fullmatch(wanted)
    if with_revision is not None:
        return await reader.get(kind, document_key(with_revision[1], int(with_revision[2])))
    revisions = (await reader.find(kind, Query(among={"id": (wanted,)}))).items
    return max(revisions, key=lambda document: document.revision, default=None)


async def _unknown(reader: Reader, kind: Kind, wanted: str) -> ResourceNotFoundError:
    document_id = found[1] if kind.is_document and (found := _REVISION.fullmatch(wanted)) else wanted
    every = (await reader.find(kind.record, Query(limit=_MOST_COMPARED))).items
    revisions = sorted(r.revision for r in every if isinstance(r, Document) and r.id == document_id)
    if revisions:
        remedy = f"{document_id} has revision {', '.join(map(str, revisions))}."
    else:
        near = closest(document_id, {record.id: record for record in every}.values())
        remedy = f"Did you mean {did_you_mean(near)}" if near else f"{kind.reader} lists them."
    return ResourceNotFoundError(f"There is no {kind.record.noun} {wanted!r}. {remedy}")


def _as_json(record: Record) -> dict[str, Any]:
    return record.model_dump(mode="json", exclude_none=True)
