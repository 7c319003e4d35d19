import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from mcp_server.backends.remote.merging import columns_of, held_differently, holds, merged
from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.domain.records import Issue, Machine, MachineStatus, QualityPlan
from mcp_server.errors import InternalError
from tests.support.federated_plant import NOW, an_issue, plant_records
from tests.support.memory_system import MemoryCollection, memory_system

MACHINES = memory_system().collections[Machine]
ISSUES = memory_system().collections[Issue]
MACHINE = next(r for r in plant_records() if isinstance(r, Machine) and r.status is MachineStatus.RUNNING)


def row(values: Mapping[str, Any], key: str = "ISS-0001") -> Row:
    return Row(key=key, ref="77", values=values)


def shown(**changes: Any) -> Row:
    """The issue as the system shows it, with other values."""
    return row(columns_of(ISSUES, an_issue()) | changes)


def collection(*fields: FieldMap, kind: type[Any] = Issue) -> MemoryCollection:
    return MemoryCollection(kind, fields, client_ids=True, changes=frozenset())


def test_what_the_system_holds_unchanged_is_the_known_record():
    assert merged(ISSUES, shown(), an_issue()) == an_issue()


def test_what_was_changed_in_the_system_counts_and_is_a_later_revision():
    found = merged(ISSUES, shown(summary="Another title"), an_issue(revision=4))
    assert found == an_issue(title="Another title", revision=5)


@pytest.mark.parametrize("ours", ["idle", "standby"])
def test_several_of_our_values_behind_one_of_theirs_keep_ours(ours: str):
    machine = MACHINE.model_copy(update={"status": MachineStatus(ours)})
    found = merged(MACHINES, row({"label": machine.name, "state": "off"}, machine.id), machine)
    assert found.status is MachineStatus(ours)


def test_a_machine_that_runs_again_in_the_system_runs_here():
    standing = MACHINE.model_copy(update={"status": MachineStatus.STANDBY})
    assert merged(MACHINES, row({"label": MACHINE.name, "state": "on"}, MACHINE.id), standing) == MACHINE


def test_a_record_that_only_the_system_knows_is_completed_with_what_is_assumed():
    found = merged(MACHINES, Row("M-9", "9", {"label": "Press", "state": "on"}, assumed={"make": "Acme"}), None)
    assert (found.id, found.name, found.make, found.project) == ("M-9", "Press", "Acme", "SHARED")


@pytest.mark.parametrize(
    ("values", "named"), [({"state": "melted"}, "status"), ({"state": "on", "label": None}, "name"), ({}, "status")]
)
def test_a_value_that_makes_no_record_is_an_error_that_names_record_and_field(values: dict[str, Any], named: str):
    with pytest.raises(InternalError) as raised:
        merged(MACHINES, row(values, "M-9"), None)
    assert "machine 77" in raised.value.message
    assert named in raised.value.message


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("WAIT", "'WAIT'"),
        ("WAIT\n\x1b[2J\u202e", r"'WAIT\n\x1b[2J\u202e'"),
        ("W" * 10_000, f"'{'W' * 40}'…"),
        (7, "7"),
        (True, "True"),
        (None, "nothing"),
        (["WAIT"], "a list"),
    ],
)
def test_a_value_that_does_not_fit_is_told_on_one_line(value: object, told: str):
    with pytest.raises(InternalError) as raised:
        merged(MACHINES, row({"label": "Press", "state": value}, "M-9"), None)
    assert raised.value.message.endswith(f"in a form the server does not know: status ({told}).")


def test_of_a_field_that_the_system_does_not_hold_no_value_is_told():
    assumed = row({"label": "Press", "state": "on"}, "M-9")
    with pytest.raises(InternalError, match=r"know: criticality\.$"):
        merged(MACHINES, replace(assumed, assumed={"criticality": "high"}), None)


@pytest.mark.parametrize("error", [KeyError, ValueError, TypeError, AttributeError, ZeroDivisionError, IndexError])
def test_whatever_a_translation_stumbles_over_names_the_field(error: type[Exception]):
    def fails(_: object) -> None:
        raise error("x")

    with pytest.raises(InternalError, match="title"):
        merged(collection(FieldMap("title", "summary", decode=fails)), shown(summary="New"), an_issue())


def test_a_document_whose_key_names_no_revision_is_an_error_of_that_record():
    with pytest.raises(InternalError, match="quality plan 77 in a form"):
        merged(collection(kind=QualityPlan), row({}, "PLN-0001"), None)


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (3, 3.0, True),
        (1, True, False),
        (0, False, False),
        (3, "4", False),
        (3, None, False),
        (3, math.nan, False),
        (3, 10**400, False),
        (3, math.inf, False),
    ],
)
def test_numbers_are_compared_by_value_and_truth_is_no_number(ours: int, theirs: Any, same: bool):
    assert holds(collection(FieldMap("qty_affected", "n")), row({"n": theirs}), an_issue(qty_affected=ours)) is same


@pytest.mark.parametrize(
    ("theirs", "same"),
    [
        ({"a": [1, 2], "b": {"c": None}}, True),
        ({"a": [1.0, 2], "b": {"c": None}}, True),
        ({"a": [1, True], "b": {"c": None}}, False),
        ({"a": [2, 1], "b": {"c": None}}, False),
        ({"a": [1], "b": {"c": None}}, False),
        ({"a": [1, 2], "b": {}}, False),
        ({"a": [1, 2]}, False),
    ],
)
def test_nested_values_are_compared_all_the_way_down(theirs: object, same: bool):
    def encode(_: object) -> Any:
        return {"a": (1, 2), "b": {"c": None}}

    def decode(_: object) -> str:
        return "Another title"

    assert holds(collection(FieldMap("title", "t", encode, decode)), row({"t": theirs}), an_issue()) is same


@pytest.mark.parametrize("theirs", ["2026-11-22T12:00:00Z", "2026-11-22T13:00:00+01:00", "2026-11-22 12:00:00.000Z"])
def test_one_moment_shown_in_another_way_is_no_change(theirs: str):
    moments = collection(FieldMap("opened_at", "opened", datetime.isoformat))
    assert merged(moments, row({"opened": theirs}), an_issue()) == an_issue(opened_at=NOW)


def test_a_value_the_system_has_no_word_for_may_be_what_it_reads_as_and_else_differs():
    words = {"on": "running"}
    states = collection(FieldMap("status", "state", words.__getitem__, words.__getitem__), kind=Machine)
    assert holds(states, row({"state": "on"}), MACHINE)
    assert held_differently(
        states, row({"state": "on"}), MACHINE.model_copy(update={"status": MachineStatus.DOWN})
    ) == ("status",)


def test_every_field_that_differs_is_named():
    assert held_differently(ISSUES, shown(summary="X", pieces=9), an_issue()) == ("title", "qty_affected")
