import pytest

from mcp_server.backends.plant_files import cells
from mcp_server.backends.plant_files.cells import Cell, like, one_of
from mcp_server.domain.records import PlanRow, SopStep

TAKEN = {
    "2026-06-30": cells.DAY,
    "2026-06-22T07:05:00-05:00": cells.MOMENT,
    "2026-06-22T12:05:00Z": cells.MOMENT,
    "57.015": cells.NUMBER,
    "-.5": cells.NUMBER,
    "1e-3": cells.NUMBER,
    "-40": cells.WHOLE,
    "0": cells.COUNT,
    "1": cells.POSITIVE,
    "41.8": cells.AMOUNT,
    "57.019;57.016": cells.NUMBERS,
    "Y": cells.FLAG,
    "Europe/Prague": cells.TIME_ZONE,
    "fixed": like(PlanRow, "sampling"),
    "0.65": like(PlanRow, "aql"),
    "Load the casting.": like(SopStep, "text"),
}
REFUSED = [
    ("30.06.2026", cells.DAY),
    ("20260630", cells.DAY),
    ("2026-02-30", cells.DAY),
    ("1782777600", cells.DAY),
    ("2026-06-22T07:05:00", cells.MOMENT),
    ("yesterday", cells.MOMENT),
    ("57,015", cells.NUMBER),
    ("nan", cells.NUMBER),
    ("inf", cells.NUMBER),
    ("1_000", cells.NUMBER),
    ("1,200", cells.WHOLE),
    ("12.0", cells.WHOLE),
    ("\u0661\u0662", cells.WHOLE),
    ("9" * 20, cells.WHOLE),
    ("-1", cells.COUNT),
    ("0", cells.POSITIVE),
    ("-0.1", cells.AMOUNT),
    ("57.019;", cells.NUMBERS),
    ("yes", cells.FLAG),
    ("Chicago", cells.TIME_ZONE),
    ("../../etc/passwd", cells.TIME_ZONE),
    ("sometimes", like(PlanRow, "sampling")),
    ("0", like(PlanRow, "sample_size")),
    ("Go", like(SopStep, "text")),
    ("d", one_of(("a", "b"))),
]


@pytest.mark.parametrize(("text", "cell"), TAKEN.items())
def test_what_is_meant_is_taken(text: str, cell: Cell) -> None:
    assert cell.takes(text)


@pytest.mark.parametrize(("text", "cell"), REFUSED)
def test_what_could_mean_something_else_is_refused(text: str, cell: Cell) -> None:
    assert not cell.takes(text)


def test_the_words_say_what_to_write() -> None:
    assert like(PlanRow, "sampling").words == "one of fixed, aql, full"
    assert like(SopStep, "text").words == "text of 5 to 1000 characters"
    assert like(SopStep, "time_s").words == "a number from 0 to 3600"
    assert like(PlanRow, "sample_size").words == "a whole number from 1 to 100000"
