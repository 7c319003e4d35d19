import io
from typing import Any

from rich.console import Console

from orchestrator_client.terminal.tables import tables_of

STEERING = "\x1b[2J\x1b]0;owned\x07"


def shown(answer: dict[str, Any], *, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    for table in tables_of(answer, console):
        console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_list_of_records_is_a_table_with_the_telling_columns_first() -> None:
    machines = [
        {"site": "LAK", "name": "Press", "id": "MC-1", "down": True, "note": None},
        {"site": "LAK", "name": "Washer", "id": "MC-2", "down": False, "note": "wet"},
    ]
    assert [line.split() for line in shown({"items": machines}).splitlines()] == [
        ["id", "name", "down", "note", "site"],
        ["MC-1", "Press", "yes", "LAK"],
        ["MC-2", "Washer", "no", "wet", "LAK"],
    ]


def test_columns_that_do_not_fit_are_named_below() -> None:
    record = {"id": "MC-1", "name": "Press", "note": "x" * 60, "place": "y" * 60}
    text = shown({"items": [record]}, width=60)
    assert "not shown: place" in text
    assert max(map(len, text.splitlines())) <= 60


def test_a_record_is_shown_by_the_lists_it_holds() -> None:
    plan = {"id": "QP-1", "title": "FC57", "rows": [{"spec_id": "SP-1"}, {"spec_id": "SP-2"}], "core_team": ["Ann"]}
    lines = shown({"status": "created", "record": plan}).splitlines()
    assert [line.strip() for line in lines] == ["QP-1 rows:", "spec_id", "SP-1", "SP-2"]


def test_an_answer_without_records_is_no_table() -> None:
    assert shown({"sample_size": 80, "accept": 1}) == ""
    assert shown({"items": []}) == ""
    assert shown({"items": "many", "record": 7}) == ""


def test_nothing_in_a_record_can_steer_the_terminal() -> None:
    record = {f"id{STEERING}": f"MC-1{STEERING}", "rows": [{"name": f"Press{STEERING}"}]}
    text = shown({"items": [record]}) + shown({"record": {"id": STEERING, f"rows{STEERING}": [{"name": STEERING}]}})
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "MC-1[2J" in text


def test_brackets_in_a_record_are_letters_and_no_markup() -> None:
    text = shown({"items": [{"id": "[/red]", "name": "[bold]Press[/bold]", "[b]": "x"}]})
    assert "[/red]" in text
    assert "[bold]Press[/bold]" in text
    assert "[b]" in text
    assert "[/x] rows:" in shown({"record": {"id": "[/x]", "rows": [{"a": 1}]}})


def test_lists_beside_the_record_are_tables_with_their_name() -> None:
    answer = {"takt_s": 43.0, "stations": [{"id": "OP10", "status": "ok"}], "next_required": [{"gate": "triage"}]}
    lines = [line.strip() for line in shown(answer).splitlines()]
    assert lines == ["Stations:", "id    status", "OP10  ok", "Next required:", "gate", "triage"]
