from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.backends.http.retry_after import LONGEST_S, retry_after_s

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("told", "wait_s"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" \t7 ", 7.0),
        ("007", 7.0),
        ("1.5", 1.5),
        ("2.", 2.0),
        ("86400", 86_400.0),
        ("86401", LONGEST_S),
        ("999999999999999999", LONGEST_S),
        (at(30), 30.0),
        (at(-30), 0.0),
        (at(10 * 86_400), LONGEST_S),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),  # the two old forms of RFC 9110, section 5.6.7
        ("Sun Nov 22 12:00:30 2026", 30.0),
        ("Sun, 22 Nov 2026 14:00:30 +0200", 30.0),
        ("5, 10", 10.0),
        ("5, soon", 5.0),
    ],
)
def test_every_form_of_a_wait_is_understood(told: str, wait_s: float):
    assert retry_after_s([told], NOW) == wait_s


@pytest.mark.parametrize(
    "told",
    [
        "",
        "   ",
        ",",
        "-1",
        "+5",
        "soon",
        "nan",
        "inf",
        "1e9",
        "0x10",
        "5 s",
        "\u0665",
        "1" * 19,
        "Sun, 99 Nov 2026 12:00:00 GMT",
        "Sun, 22 Nov 99999 12:00:00 GMT",
    ],
)
def test_what_is_no_wait_is_left_out(told: str):
    assert retry_after_s([told], NOW) is None


def test_of_two_headers_the_longer_wait_holds():
    assert retry_after_s(["3", at(20)], NOW) == 20.0
    assert retry_after_s(["junk", "3"], NOW) == 3.0
    assert retry_after_s([], NOW) is None


def test_a_moment_is_counted_from_the_clock_of_the_system_itself():
    assert retry_after_s([at(30)], NOW + timedelta(hours=1), date=at(0)) == 30.0
    assert retry_after_s([at(30)], NOW, date="yesterday") == 30.0


@given(st.text(max_size=60))
def test_no_text_breaks_it(told: str):
    wait_s = retry_after_s([told], NOW, date=told)
    assert wait_s is None or 0 <= wait_s <= LONGEST_S
