"""Acceptance sampling by attributes: single plans of MIL-STD-105E / ANSI/ASQ Z1.4.

The tables stand in `sampling_tables/`: 15 lot ranges by 7 inspection levels, and 26 preferred AQLs by 16 code letters
for normal, tightened and reduced inspection with the arrows already followed. Normal and tightened plans are identical
in ISO 2859-1; the reduced table is the ANSI form (a gap between Ac and Re) and is not ISO 2859-1:1999.
"""

import csv
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from mcp_server.domain.records import InspectionLevel, PreferredAql

__all__ = [
    "HIGHEST_PERCENT",
    "MAX_LOT_SIZE",
    "PREFERRED_AQLS",
    "STANDARD",
    "SamplingPlan",
    "SamplingSeverity",
    "code_letter",
    "sampling_plan",
    "tables_intact",
]

SamplingSeverity = Literal["normal", "tightened", "reduced"]
STANDARD = "ANSI/ASQ Z1.4 (MIL-STD-105E) single sampling"
MAX_LOT_SIZE = 1_000_000_000
HIGHEST_PERCENT = 10
"""An AQL above it is nonconformities per 100 units and no percentage (4.7 of the standard)."""

PREFERRED_AQLS: tuple[PreferredAql, ...] = get_args(PreferredAql)

_SHA256 = {
    "z14_code_letters.csv": "b8386031815f3a88187602f796f70a3d847d1ef9e1a186c5ee2093ef1e1e692a",
    "z14_single_normal.csv": "8413765927e64cf853e4712819164cbde7c1f311badbaa3b68381fedbcb49b4f",
    "z14_single_tightened.csv": "45e49cdc270a9c6118bec0dee5c5c65d686a780b03908f5ffc212eb6d7675f36",
    "z14_single_reduced.csv": "92473ecab22a33f7c8a0f488b809beb132c06bf00ac0fd53f7bd18f3f6189240",
}


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """Inspect `sample_size` pieces: accept at `accept` nonconforming or fewer, reject at `reject` or more.

    `arrow` says that the table sent the reader from `code_letter` to the plan of `plan_letter`. When `full_inspection`
    is set, the sample would be the whole lot: every piece is inspected and `sample_size` is the lot size.
    """

    code_letter: str
    plan_letter: str
    sample_size: int
    accept: int
    reject: int
    arrow: Literal["up", "down"] | None
    full_inspection: bool


def code_letter(lot_size: int, level: InspectionLevel) -> str:
    """The code letter of a lot of 2 or more pieces (table I)."""
    for row in _rows("z14_code_letters.csv"):
        if int(row["lot_min"]) <= lot_size and (row["lot_max"] == "" or lot_size <= int(row["lot_max"])):
            return row[level]
    raise ValueError(f"lot_size must be at least 2, got {lot_size}")


def sampling_plan(
    lot_size: int, aql: PreferredAql, level: InspectionLevel = "II", severity: SamplingSeverity = "normal"
) -> SamplingPlan:
    """The single sampling plan for a lot.

    `aql` is one of `PREFERRED_AQLS`: percent nonconforming up to 10, nonconformities per 100 units above. An arrow
    changes the sample size as well as the acceptance number. A sample as large as the lot means 100 % inspection.
    """
    letter = code_letter(lot_size, level)
    row = _plans(severity).get((letter, aql))
    if row is None:
        raise ValueError(f"aql must be a preferred value, got {aql!r}")
    size = int(row["n"])
    full = size >= lot_size
    return SamplingPlan(
        code_letter=letter,
        plan_letter=row["plan_letter"],
        sample_size=lot_size if full else size,
        accept=int(row["ac"]),
        reject=int(row["re"]),
        arrow="up" if row["arrow"] == "up" else "down" if row["arrow"] == "down" else None,
        full_inspection=full,
    )


def tables_intact() -> bool:
    """Whether every table file is byte for byte the verified one."""
    return all(hashlib.sha256(_read(name)).hexdigest() == digest for name, digest in _SHA256.items())


@cache
def _plans(severity: SamplingSeverity) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["code_letter"], row["aql"]): row for row in _rows(f"z14_single_{severity}.csv")}


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    return tuple(csv.DictReader(_read(name).decode().splitlines()))


@cache
def _read(name: str) -> bytes:
    return files("mcp_server.domain.quality").joinpath("sampling_tables", name).read_bytes()
