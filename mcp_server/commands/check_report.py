"""What a check of a backend has found: one object, for the table as for `--json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from mcp_server.errors import BackendUnavailable, ConfigurationError, ToolFailure
from mcp_server.pipeline.result_check import Mismatch

__all__ = ["CheckReport", "How", "KindFound", "OpenWrite", "Problem", "Promises", "RoundTrip", "SystemFound"]

How = Literal["rolled back", "rehearsed", "created", "changed", "read back"]
"""What was done with the record that was tried."""

_REMEDIES = {
    "certificate": "Install the certificate of the authority that signed it, and name its file in SSL_CERT_FILE.",
    "wrong version number": "The system does not speak TLS at this port: write http instead of https, or correct the "
    "port.",
    "ssl": "Check that the URL says https only where the system speaks TLS, and that it allows TLS 1.2 or newer.",
    "name or service not known": "No such host: correct its name in --backend (SHOPFLOOR_BACKEND).",
    "no address associated": "No such host: correct its name in --backend (SHOPFLOOR_BACKEND).",
    "name resolution": "The host's name cannot be looked up: correct it in --backend, or check the network.",
    "refused": "Nothing listens there: start the system, or correct host and port in --backend (SHOPFLOOR_BACKEND).",
    "connection attempts failed": "Nothing listens there: start the system, or correct host and port in --backend "
    "(SHOPFLOOR_BACKEND).",
    "timeout": "Check host and port in --backend, and any firewall; SHOPFLOOR_BACKEND_TIMEOUT_S gives it more time.",
}
"""What helps, by what the failure says of itself; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, and what to do about it."""

    message: str
    suggestion: str

    @classmethod
    def of(cls, failure: ToolFailure | ConfigurationError) -> "Problem":
        if isinstance(failure, ConfigurationError):
            return cls(str(failure), "")
        message = " ".join((failure.message, *failure.also))
        return cls(message, _remedy(failure) or failure.suggestion)


@dataclass(frozen=True, slots=True)
class SystemFound:
    """What the system says of itself."""

    product: str
    version: str | None
    signed_in_as: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Promises:
    """The capability flags."""

    atomic: bool
    idempotency_keys: bool
    revisions: bool
    list_style: str
    error_style: str


@dataclass(frozen=True, slots=True)
class KindFound:
    """One kind of record: who holds it, which fields of it the system holds and which it lacks, and what is there.

    `records` is None where they could not be listed. `faults` are the first of `faulty` records that cannot be read or
    stand twice. `never_shown` are columns without any value, of fields that must have one. `client_ids` is None where
    the system takes no new records.
    """

    kind: str
    held_by: Literal["database", "system", "system + companion", "companion"]
    fields: tuple[str, ...]
    lacks: tuple[str, ...]
    creates: bool
    changes: tuple[str, ...]
    client_ids: bool | None
    records: int | None = None
    faulty: int = 0
    faults: tuple[str, ...] = ()
    never_shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenWrite:
    """A write whose end is not known."""

    tool: str
    record: str
    since: datetime
    suggestion: str


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What became of the record that was tried. `differences` is what came back otherwise than it was sent."""

    kind: str
    id: str
    how: How
    fields_checked: int
    differences: tuple[Mismatch, ...] = ()


@dataclass(slots=True)
class CheckReport:
    """Filled step by step; what stands in it holds even where a later step failed."""

    backend: str
    system: SystemFound | None = None
    promises: Promises | None = None
    kinds: list[KindFound] = field(default_factory=list[KindFound])
    open_writes: list[OpenWrite] = field(default_factory=list[OpenWrite])
    warnings: list[str] = field(default_factory=list[str])
    round_trip: RoundTrip | None = None
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_json(self) -> Mapping[str, Any]:
        found: dict[str, Any] = {"ok": self.ok, **asdict(self)}
        for write in found["open_writes"]:
            write["since"] = write["since"].isoformat()
        return found


def _remedy(failure: ToolFailure) -> str | None:
    if not isinstance(failure, BackendUnavailable):
        return None
    said = failure.message.casefold()
    return next((remedy for sign, remedy in _REMEDIES.items() if sign in said), None)
