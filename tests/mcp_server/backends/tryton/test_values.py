import pytest

from mcp_server.backends.tryton.values import Mark, flag, line, moment, number, unit_in, uom_decoded, uom_encoded

NAME = Mark("name", bracketed=True)


@pytest.mark.parametrize(("key", "text"), [("MC-103", "HMC 3"), ("MC-103", ""), ("A/1 %_", "[old] HMC")])
def test_a_mark_is_taken_out_as_it_was_put_in(key: str, text: str) -> None:
    assert NAME.split(NAME.joined(key, text)) == (key, text)


@pytest.mark.parametrize("value", ["HMC 3", "HMC [3]", "[] HMC 3", "[MC-103 HMC", "", None, 7])
def test_a_text_without_a_mark_is_left_as_it_is(value: object) -> None:
    assert NAME.split(value) == (None, value)


def test_wildcards_in_an_id_stand_for_themselves() -> None:
    assert NAME.clause(r"M%C_1\2") == ("name", "like", r"[M\%C\_1\\2]%")


def test_an_id_with_a_field_of_its_own_is_compared_as_a_whole() -> None:
    code = Mark("code", bracketed=False)
    assert code.clause("HSG%") == ("code", "=", "HSG%")
    assert code.split("HSG%") == ("HSG%", "HSG%")
    assert code.split(None) == (None, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (57.03, 57.03),
        (57, 57.0),
        ({"__class__": "Decimal", "decimal": "57.03"}, 57.03),
        (None, None),
        ("57.03", "57.03"),
        (True, True),
        ({"__class__": "date"}, {"__class__": "date"}),
        ({"decimal": "much"}, {"decimal": "much"}),
    ],
)
def test_a_number_is_exact_and_nothing_else_becomes_one(value: object, expected: object) -> None:
    read = number(value)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(("value", "expected"), [(1, True), (0, False), (True, True), (None, None), ("yes", "yes")])
def test_a_flag_of_sqlite_is_true_or_false(value: object, expected: object) -> None:
    assert flag(value) is expected


def test_a_help_text_that_names_no_unit_is_none() -> None:
    assert [unit_in(value) for value in ("Unit: mm", "Use the ring gauge", "Unit:", None)] == ["mm", "", "", ""]


def test_a_line_is_trimmed_as_tryton_does() -> None:
    assert line("  HMC 3 ") == "HMC 3"


@pytest.mark.parametrize("value", [None, {}, {"year": 2026}, "2026-11-22"])
def test_something_else_than_a_time_is_none(value: object) -> None:
    assert moment(value) is None


@pytest.mark.parametrize("uom", ["ea", "kg", "g", "L", "m", "cm", "mm", "h", "min"])
def test_a_unit_of_measure_comes_back(uom: str) -> None:
    assert uom_decoded(uom_encoded(uom)) == uom


def test_a_unit_of_measure_that_only_tryton_has_keeps_its_symbol() -> None:
    assert uom_decoded("lb") == "lb"
