"""When to change the severity of sampling inspection (ANSI/ASQ Z1.4-2003, 8.3 and 8.4).

Only original inspections count, not lots offered again, and each class of nonconformity has a history of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mcp_server.domain.quality.sampling import SamplingSeverity

__all__ = ["WINDOW", "LotOutcome", "NextSeverity", "Switch", "next_severity"]

LotOutcome = Literal["accepted", "rejected", "accepted_in_gap"]
"""`accepted_in_gap`: on a reduced plan, more than Ac but fewer than Re nonconforming."""
NextSeverity = Literal["normal", "tightened", "reduced", "discontinue"]

WINDOW = 5
_REJECTED_IN_WINDOW = 2
_BACK_TO_NORMAL = 5
_MOST_ON_TIGHTENED = 5
_BEFORE_REDUCED = 10


@dataclass(frozen=True, slots=True)
class Switch:
    """What the next lot is inspected at, and the rule that says so."""

    severity: NextSeverity
    rule: str


def next_severity(current: SamplingSeverity, lots: Sequence[LotOutcome], *, may_reduce: bool = False) -> Switch:
    """The severity for the lot after `lots`, all inspected at `current` since it began, oldest first.

    A rule that makes inspection stricter holds from where it was first met; one that eases it, only at the end.
    `may_reduce`: limit number (table VIII), steady production and the authority's consent, which no history shows.
    """
    match current:
        case "normal":
            return _from_normal(lots, may_reduce=may_reduce)
        case "tightened":
            return _from_tightened(lots)
        case "reduced":
            return _from_reduced(lots)


def _from_normal(lots: Sequence[LotOutcome], *, may_reduce: bool) -> Switch:
    close = _rejected_close_together(lots)
    if close is not None:
        first, second = close
        return Switch(
            "tightened",
            f"8.3.1: 2 of 5 or fewer consecutive lots were not accepted (lots {first} and {second} of the list).",
        )
    if _accepted_at_end(lots) < _BEFORE_REDUCED:
        return Switch("normal", "8.3.1: normal continues until 2 of 5 or fewer consecutive lots are not accepted.")
    if may_reduce:
        return Switch(
            "reduced",
            "8.3.3: the last 10 lots were accepted, the limit number is kept, production is steady, and the "
            "responsible authority agrees.",
        )
    return Switch(
        "normal",
        "8.3.3: the last 10 lots were accepted, so reduced is possible, but only if their nonconforming total is "
        "within the limit number (table VIII), production is steady, and the responsible authority agrees.",
    )


def _from_tightened(lots: Sequence[LotOutcome]) -> Switch:
    rejected = sum(lot == "rejected" for lot in lots)
    if rejected >= _MOST_ON_TIGHTENED:
        return Switch(
            "discontinue",
            f"8.4: {rejected} lots were not accepted on tightened inspection, and at 5 it stops. "
            "Resume, at tightened, when the supplier has improved quality.",
        )
    if _accepted_at_end(lots) >= _BACK_TO_NORMAL:
        return Switch("normal", "8.3.2: 5 consecutive lots were accepted on tightened inspection.")
    return Switch(
        "tightened",
        f"8.3.2: tightened continues until 5 consecutive lots are accepted; {rejected} of the 5 that stop inspection "
        "(8.4) were not accepted.",
    )


def _from_reduced(lots: Sequence[LotOutcome]) -> Switch:
    for position, lot in enumerate(lots, start=1):
        if lot == "rejected":
            return Switch("normal", f"8.3.4 a: a lot was not accepted on reduced inspection (lot {position}).")
        if lot == "accepted_in_gap":
            return Switch(
                "normal",
                f"8.3.4 b: lot {position} had more than Ac but fewer than Re nonconforming; it is accepted, but "
                "normal inspection is resumed.",
            )
    return Switch("reduced", "8.3.4: reduced continues while every lot is accepted and production is steady.")


def _rejected_close_together(lots: Sequence[LotOutcome]) -> tuple[int, int] | None:
    """Positions, from 1, of the first two lots not accepted that lie within five consecutive ones."""
    rejected = [position for position, lot in enumerate(lots, start=1) if lot == "rejected"]
    pairs = zip(rejected, rejected[_REJECTED_IN_WINDOW - 1 :], strict=False)
    return next(((first, second) for first, second in pairs if second - first < WINDOW), None)


def _accepted_at_end(lots: Sequence[LotOutcome]) -> int:
    """How many lots in a row, counted from the last one back, were accepted."""
    return next((count for count, lot in enumerate(reversed(lots)) if lot != "accepted"), len(lots))
