"""What an answer says of where its data comes from."""

from typing import Any

from mcp_server.backends.remote.port import Collection
from mcp_server.domain.records import Record
from mcp_server.errors import InternalError

__all__ = ["Origin"]

_MOST_TOLD = 5


class Origin:
    """Notes what was read from the system, what from the companion store, and what in the system is not in order."""

    def __init__(self, system: str) -> None:
        self._system = system
        self._whole: dict[str, None] = {}
        self._partly: dict[str, None] = {}
        self._only_here: dict[str, None] = {}
        self._remote = False
        self._faults: dict[str, None] = {}

    def note(self, kind: type[Record], collection: Collection[Any] | None) -> None:
        """Records of this kind are being read."""
        if collection is None:
            self._whole[kind.noun] = None
            return
        self._remote = True
        if kind.model_fields.keys() - {"id"} - {mapped.field for mapped in collection.fields}:
            self._partly[kind.noun] = None

    def note_only_here(self, kind: type[Record]) -> None:
        """A record that was read is one that the system was never given."""
        self._only_here[kind.noun] = None

    def leave_out(self, error: InternalError) -> None:
        """A record there cannot be read."""
        self._faults[error.message] = None

    def is_double(self, kind: type[Record], key: str, shown: str, other: str) -> None:
        self._faults[f"It holds {kind.noun} {key} twice, as {shown} and as {other}; {shown} is shown."] = None

    @property
    def faults(self) -> tuple[str, ...]:
        """What in the system is not in order, so far."""
        return tuple(self._faults)

    def told(self) -> str:
        details = f"details of {', '.join(self._partly)}" if self._partly else ""
        only_here = f"records only here: {', '.join(self._only_here)}" if self._only_here else ""
        beside = "; ".join(part for part in (", ".join(self._whole), details, only_here) if part)
        parts = [self._system] if self._remote or not beside else []
        if beside:
            parts.append(f"companion store ({beside})")
        faults = list(self._faults)
        more = [f"And {len(faults) - _MOST_TOLD} more."] if len(faults) > _MOST_TOLD else []
        return " ".join([" + ".join(parts), *(f"- {fault}" for fault in faults[:_MOST_TOLD]), *more])
