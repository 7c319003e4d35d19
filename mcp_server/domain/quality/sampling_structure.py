"""The single sampling plans a second time, from how MIL-STD-105E is built instead of from its printed cells.

Letters (rows) and preferred AQLs (columns) both are steps of about 1.6, so that all cells with the same sum of row and
column number have the same acceptance number. What is computed here shares no table with `sampling`, and must agree.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from mcp_server.domain.records import PreferredAql

__all__ = ["DerivedPlan", "derived_plan"]

_LETTERS = "ABCDEFGHJKLMNPQRS"
_AQLS: tuple[str, ...] = get_args(PreferredAql)
_LOTS_UP_TO = (
    8, 15, 25, 50, 90, 150, 280, 500, 1_200, 3_200, 10_000, 35_000, 150_000, 500_000,
)  # fmt: skip
_LEVELS = {
    "S-1": "AAAABBBBCCCCDDD",
    "S-2": "AAABBBCCCDDDEEE",
    "S-3": "AABBCCDDEEFFGGH",
    "S-4": "AABCCDEEFGGHJJK",
    "I": "AABCCDEFGHJKLMN",
    "II": "ABCDEFGHJKLMNPQ",
    "III": "BCDEFGHJKLMNPQR",
}
_SIZES = (2, 3, 5, 8, 13, 20, 32, 50, 80, 125, 200, 315, 500, 800, 1_250, 2_000, 3_150)
_REDUCED_SIZES = (2, 2, *_SIZES[:14])

_ZERO_AQLS = _AQLS.index("6.5")
"""Above this AQL no plan accepts on zero."""
_LAST_OF_LARGE_SAMPLES = 24
"""The sum up to which every letter has plans; beyond, only samples up to letter E."""
_LARGEST_BEYOND = _LETTERS.index("E")

_NORMAL_FROM, _NORMAL = 17, ((1, 2), (2, 3), (3, 4), (5, 6), (7, 8), (10, 11), (14, 15), (21, 22), (30, 31), (44, 45))
_TIGHT_FROM, _TIGHT = 18, ((1, 2), (2, 3), (3, 4), (5, 6), (8, 9), (12, 13), (18, 19), (27, 28), (41, 42))
_REDUCED_FROM = 17
_REDUCED = ((0, 2), (1, 3), (1, 4), (2, 5), (3, 6), (5, 8), (7, 10), (10, 13), (14, 17), (21, 24))
_REDUCED_SMALL = {
    "A": _NORMAL[:9],
    "B": ((0, 2), (1, 3), (2, 4), (3, 5), (5, 6), (7, 8), (10, 11), (14, 15), (21, 22), (30, 31)),
}
"""Letters A and B of the reduced table are the exception: the sample cannot become smaller than two."""


@dataclass(frozen=True, slots=True)
class DerivedPlan:
    code_letter: str
    plan_letter: str
    sample_size: int
    accept: int
    reject: int


def derived_plan(
    lot_size: int, aql: str, level: str, severity: Literal["normal", "tightened", "reduced"]
) -> DerivedPlan:
    """The plan for a lot of two or more pieces; `sample_size` is the lot when the plan asks for as many or more."""
    letter = _LEVELS[level][sum(lot_size > limit for limit in _LOTS_UP_TO)]
    row, column = _LETTERS.index(letter), _AQLS.index(aql)
    found = next(place for place in _way(row, column, severity) if _cell(place, column, severity) is not None)
    accept, reject = _cell(found, column, severity) or (0, 0)
    size = (_REDUCED_SIZES if severity == "reduced" else _SIZES)[found]
    return DerivedPlan(letter, _LETTERS[found], min(size, lot_size), accept, reject)


def _way(row: int, column: int, severity: str) -> list[int]:
    """The rows in the order the arrows lead: here, then one way to the end, then the other."""
    above, below = list(range(row - 1, -1, -1)), list(range(row + 1, len(_LETTERS)))
    total = row + column
    upwards = total == _NORMAL_FROM - 2 if severity != "tightened" else False
    return [row, *above, *below] if upwards or total > _LAST_OF_LARGE_SAMPLES else [row, *below, *above]


def _cell(row: int, column: int, severity: str) -> tuple[int, int] | None:
    """Ac and Re of one cell, or None for an arrow."""
    total, letter = row + column, _LETTERS[row]
    if letter == "S" and (severity, _AQLS[column]) != ("tightened", "0.025"):
        return None
    if total > _LAST_OF_LARGE_SAMPLES and row > _LARGEST_BEYOND:
        return None
    zero = 15 if severity == "tightened" else 14
    if total == zero and column <= _ZERO_AQLS:
        return (0, 1)
    first, plans = {
        "normal": (_NORMAL_FROM, _NORMAL),
        "tightened": (_TIGHT_FROM, _TIGHT),
        "reduced": (_REDUCED_FROM, _REDUCED_SMALL.get(letter, _REDUCED)),
    }[severity]
    step = total - first
    return plans[step] if 0 <= step < len(plans) else None
