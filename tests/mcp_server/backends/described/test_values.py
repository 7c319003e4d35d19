from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.described.kinds import RECORD_KINDS
from mcp_server.backends.described.loading import load_description
from mcp_server.backends.described.references import References
from mcp_server.backends.described.values import field_maps
from mcp_server.backends.remote.port import FieldMap
from mcp_server.domain.records import MachineStatus, MaintenanceKind

Describe = Callable[..., Path]
SIX = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)

ORDER = "work_order"
ROUND_TRIPS: list[tuple[str, str, Any, Any, Any]] = [
    (ORDER, "reason", "note", "Belt torn", "Belt torn"),
    (ORDER, "reason", {"column": "n", "form": "number"}, "7", 7),
    (ORDER, "reason", {"column": "n", "values": {"wear": "W"}}, "wear", "W"),
    (ORDER, "reason", {"column": "n", "values": {"wear": "W"}}, "other", "other"),
    (ORDER, "priority", "p", 3, 3),
    (ORDER, "priority", {"column": "p", "form": "text"}, 3, "3"),
    (ORDER, "duration_min", {"column": "d", "scale": "1/60"}, 90, 1.5),
    (ORDER, "duration_min", {"column": "d", "scale": "1/60"}, 60, 1),
    (ORDER, "duration_min", {"column": "d", "scale": "1/60"}, 50, 50 / 60),
    (ORDER, "duration_min", {"column": "d", "scale": 60, "form": "text"}, 2, "120"),
    (ORDER, "loto", "lockout", True, True),
    (ORDER, "loto", {"column": "l", "form": "zero_one"}, True, 1),
    (ORDER, "loto", {"column": "l", "form": "text"}, False, "false"),
    (ORDER, "loto", {"column": "l", "values": {"true": "Y", "false": "N"}}, False, "N"),
    (ORDER, "loto", {"column": "l", "values": {"true": 1, "false": True}}, False, True),
    (ORDER, "start", "s", SIX, "2026-07-01T06:00:00Z"),
    (ORDER, "start", {"column": "s", "form": "iso", "zone": "Europe/Berlin"}, SIX, "2026-07-01T08:00:00+02:00"),
    (ORDER, "start", {"column": "s", "form": "space"}, SIX, "2026-07-01 06:00:00"),
    (ORDER, "start", {"column": "s", "form": "space", "zone": "America/Chicago"}, SIX, "2026-07-01 01:00:00"),
    (ORDER, "start", {"column": "s", "form": "seconds"}, SIX, 1782885600),
    (ORDER, "start", {"column": "s", "form": "milliseconds"}, SIX, 1782885600000),
    (ORDER, "due_on", "d", date(2026, 7, 1), "2026-07-01"),
    (
        ORDER,
        "due_on",
        {"column": "d", "form": "space", "zone": "Europe/Berlin"},
        date(2026, 7, 1),
        "2026-07-01 00:00:00",
    ),
    (ORDER, "due_on", {"column": "d", "form": "milliseconds"}, date(2026, 7, 1), 1782864000000),
    (ORDER, "due_on", "d", None, None),
    (ORDER, "kind", "k", MaintenanceKind.BREAKDOWN, "breakdown"),
    ("machine", "energy_sources", "e", ("air", "electrical"), ["air", "electrical"]),
    ("machine", "energy_sources", {"column": "e", "separator": ", "}, ("air", "electrical"), "air, electrical"),
    ("inspection_result", "readings", "r", (57.01, 57.0), [57.01, 57.0]),
    ("inspection_result", "lsl", {"column": "l", "form": "text"}, 57.05, "57.05"),
    ("inspection_result", "lsl", {"column": "l", "scale": 1000}, 57.05, 57050),
]


def map_of(path: Path, kind: str, field: str) -> FieldMap:
    description = load_description(path)
    maps = field_maps(
        RECORD_KINDS[kind], description.records[kind].fields, description.records[kind], description, References()
    )
    return next(mapped for mapped in maps if mapped.field == field)


@pytest.fixture
def mapped(describe: Describe) -> Callable[[str, str, Any], FieldMap]:
    """The map of one field, described so."""

    def made(kind: str, field: str, described: Any) -> FieldMap:
        path = describe(f"records {kind if kind != 'inspection_result' else ORDER} fields {field}", described)
        if kind == "inspection_result":
            path.write_text(INSPECTIONS.replace("FIELD", field).replace("DESCRIBED", repr(described)))
        return map_of(path, kind, field)

    return made


INSPECTIONS = """
name: Lab
base_url: https://lab.example
records:
  inspection_result:
    path: /results
    id: {client: code}
    fields: {FIELD: DESCRIBED}
    assumed:
      {project: A, characteristic: Width, material_id: M, lot_id: L, sample_size: 1, readings: [1.0], unit: mm,
       nonconforming: 0, accept: 0, reject: 1, verdict: accept, inspector: I, recorded_by: R,
       measured_at: "2026-01-01T00:00:00Z", recorded_at: "2026-01-01T00:00:00Z"}
"""


@pytest.mark.parametrize(
    ("kind", "field", "described", "ours", "theirs"),
    ROUND_TRIPS,
    ids=[f"{i}-{r[1]}" for i, r in enumerate(ROUND_TRIPS)],
)
def test_a_value_becomes_theirs_and_ours_again(  # noqa: PLR0917 - a row of the table
    mapped: Callable[[str, str, Any], FieldMap], kind: str, field: str, described: Any, ours: Any, theirs: Any
) -> None:
    way = mapped(kind, field, described)
    assert way.encode(ours) == theirs
    assert type(way.encode(ours)) is type(theirs)
    assert way.decode(theirs) == ours


def test_of_several_values_that_share_one_the_first_is_read_back(describe: Describe) -> None:
    status = map_of(describe(), "machine", "status")
    assert [status.encode(value) for value in (MachineStatus.IDLE, MachineStatus.STANDBY)] == ["off", "off"]
    assert status.decode("off") == "idle"
    assert status.decode("paused") == "idle"


@pytest.mark.parametrize(
    ("described", "theirs"),
    [
        ({"column": "n", "form": "zero_one"}, 2),
        ({"column": "n", "form": "zero_one"}, "1"),
        ({"column": "n", "form": "text"}, "maybe"),
        ({"column": "n", "values": {"true": "Y", "false": "N"}}, "?"),
    ],
)
def test_a_word_of_theirs_that_nobody_described_is_not_guessed(
    mapped: Callable[[str, str, Any], FieldMap], described: Any, theirs: Any
) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        mapped(ORDER, "loto", described).decode(theirs)


@pytest.mark.parametrize(
    ("field", "theirs"), [("priority", 2.5), ("priority", "3"), ("priority", True), ("reason", [1])]
)
def test_a_value_of_another_type_is_not_guessed(
    mapped: Callable[[str, str, Any], FieldMap], field: str, theirs: Any
) -> None:
    with pytest.raises((ValueError, TypeError)):
        mapped(ORDER, field, "c").decode(theirs)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("2026-07-01T06:00:00.000+00:00", SIX),
        ("2026-07-01T08:00:00+02:00", SIX),
        ("2026-07-01T06:00:00", SIX),
        ("2026-07-01 06:00:00.000000", SIX),
    ],
)
def test_a_time_is_read_in_whatever_form_of_iso_it_comes(
    mapped: Callable[[str, str, Any], FieldMap], theirs: str, ours: datetime
) -> None:
    assert mapped(ORDER, "start", "s").decode(theirs) == ours


def test_an_empty_column_is_none_or_what_is_assumed(describe: Describe) -> None:
    path = describe()
    path.write_text(
        "empty: false\n" + path.read_text().replace("priority: 3", "priority: 3\n      start: '2026-07-01T06:00:00Z'")
    )
    assert map_of(path, ORDER, "reason").decode(False) is None
    assert map_of(path, ORDER, "reason").encode(None) is False
    assert map_of(path, ORDER, "title").decode(None) == ""
    assert map_of(path, ORDER, "start").decode(False) == "2026-07-01T06:00:00Z"
    assert map_of(path, ORDER, "loto").decode(False) is False
    assert map_of(path, "machine", "energy_sources").decode(None) == ()
