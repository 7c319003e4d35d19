from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

_GONE = object()

PLANT: dict[str, Any] = {
    "name": "Plant",
    "base_url": "https://plant.example/api",
    "auth": {"header": "Authorization", "value": "Bearer {token}"},
    "error": "detail",
    "records": {
        "machine": {
            "path": "/machines",
            "id": {"client": "code"},
            "ref": "code",
            "list": {"envelope": "items", "paging": {"style": "offset", "start_name": "skip", "size_name": "take"}},
            "one": {"path": "/machines/{id}"},
            "create": {},
            "change": {"method": "PATCH", "path": "/machines/{id}"},
            "fields": {
                "name": "label",
                "type": "type",
                "commissioned_on": "since",
                "status": {
                    "column": "state",
                    "values": {
                        "running": "on",
                        "idle": "off",
                        "standby": "off",
                        "down": "broken",
                        "maintenance": "broken",
                        "commissioning": "new",
                        "decommissioned": "gone",
                    },
                    "reads": {"paused": "idle"},
                },
                "energy_sources": {"column": "energy", "separator": ", "},
            },
            "assumed": {
                "project": "SHARED",
                "workstation": "OP10",
                "make": "?",
                "model": "?",
                "serial": "?",
                "criticality": "B",
                "meter": "hours",
            },
        },
        "work_order": {
            "path": "/orders",
            "id": {"stamp": "subject"},
            "ref": "number",
            "list": {"envelope": "items"},
            "one": {"path": "/orders/{ref}", "envelope": "order"},
            "create": {"envelope": "order", "ref": "order.number", "constants": {"company": "ACME"}},
            "change": {"method": "PUT", "path": "/orders/{ref}", "envelope": "order", "send": "all"},
            "fields": {
                "title": "subject",
                "machine_id": {"column": "machine.code"},
                "start": {"column": "begins", "form": "space", "zone": "Europe/Berlin"},
                "duration_min": {"column": "hours", "scale": "1/60"},
                "loto": {"column": "lockout", "form": "zero_one"},
                "reason": "note",
            },
            "assumed": {
                "project": "SHARED",
                "kind": "corrective",
                "state": "planned",
                "priority": 3,
                "created_at": "2026-01-01T00:00:00Z",
                "created_by": "?",
            },
            "takes": {"kind": ["corrective", "breakdown"]},
        },
    },
}


def changed(place: str, value: Any) -> dict[str, Any]:
    """The plant's description with one thing in another way; steps of the place are parted by blanks."""
    description = deepcopy(PLANT)
    part, (*steps, last) = description, place.split(" ")
    for step in steps:
        part = part[step]
    if value is _GONE:
        del part[last]
    else:
        part[last] = value
    return description


@pytest.fixture
def describe(tmp_path: Path) -> Callable[..., Path]:
    """Writes the plant's description, `place` set to a value or, without one, taken out."""

    def written(place: str | None = None, value: Any = _GONE) -> Path:
        path = tmp_path / "plant.yaml"
        given = PLANT if place is None else changed(place, value)
        path.write_text(yaml.safe_dump(given, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return path

    return written
