from typing import Any

import pytest

from mcp_server.domain.procedures.sop_changes import (
    MOST_STEPS,
    SectionChange,
    StepChange,
    changed_sections,
    changed_steps,
    check_changes,
)
from mcp_server.domain.records import SopStep

STEPS = tuple(SopStep(text=f"Step no. {n}", time_s=float(n), key_point=f"Key {n}") for n in (1, 2, 3))


def change(position: int, action: Any, **parts: Any) -> StepChange:
    return StepChange(position=position, action=action, **parts)


def insert(position: int, text: str) -> StepChange:
    return change(position, "insert", text=text, time_s=9.0)


def texts(*changes: StepChange) -> list[str]:
    return [step.text for step in changed_steps(STEPS, changes)]


def fields(*changes: StepChange, sections: tuple[SectionChange, ...] = ()) -> list[str]:
    return [finding.field for finding in check_changes(STEPS, changes, sections)]


def test_without_changes_the_steps_stay():
    assert changed_steps(STEPS, ()) == STEPS


def test_an_insertion_comes_before_its_position_and_the_last_one_at_the_end():
    assert texts(insert(1, "First")) == ["First", "Step no. 1", "Step no. 2", "Step no. 3"]
    assert texts(insert(4, "At last")) == ["Step no. 1", "Step no. 2", "Step no. 3", "At last"]


def test_insertions_at_one_place_keep_their_order():
    assert texts(insert(2, "Alpha"), insert(2, "Bravo")) == ["Step no. 1", "Alpha", "Bravo", "Step no. 2", "Step no. 3"]


def test_positions_are_those_before_any_change():
    assert texts(change(1, "remove"), insert(3, "Between"), change(3, "replace", text="New three")) == [
        "Step no. 2",
        "Between",
        "New three",
    ]


def test_a_replacement_keeps_what_it_does_not_name():
    second = changed_steps(STEPS, [change(2, "replace", time_s=7.5)])[1]
    assert second == SopStep(text="Step no. 2", time_s=7.5, key_point="Key 2")


def test_sections_are_texts_or_lists_and_empty_when_nothing_is_given():
    changes = (
        SectionChange(section="scope", text="All shifts"),
        SectionChange(section="ppe", items=("Gloves",)),
        SectionChange(section="tools"),
        SectionChange(section="loto_sop_id"),
    )
    assert changed_sections(changes) == {"scope": "All shifts", "ppe": ("Gloves",), "tools": (), "loto_sop_id": None}
    assert fields(sections=changes) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (change(4, "replace", text="Nothing there"), "step_changes[0].position"),
        (change(4, "remove"), "step_changes[0].position"),
        (insert(5, "Too far"), "step_changes[0].position"),
        (change(1, "insert", time_s=1.0), "step_changes[0].text"),
        (change(1, "insert", text="No time"), "step_changes[0].time_s"),
        (change(1, "replace"), "step_changes[0].text"),
        (change(1, "remove", safety="Gone"), "step_changes[0].safety"),
    ],
)
def test_a_step_change_that_cannot_be_made_is_named(wrong: StepChange, field: str):
    assert fields(wrong) == [field]


def test_changes_that_can_be_made_have_no_finding():
    assert fields(insert(4, "At the end"), change(1, "remove"), change(2, "replace", text="Other")) == []


def test_one_step_is_changed_once():
    assert fields(change(1, "remove"), change(1, "replace", text="Other")) == ["step_changes"]
    assert fields(change(1, "replace", text="Other"), insert(1, "Before it")) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (SectionChange(section="scope", items=("All",)), "sections[0].items"),
        (SectionChange(section="ppe", text="Gloves"), "sections[0].text"),
        (SectionChange(section="machine_ids", items=("M" * 41,)), "sections[0].items"),
        (SectionChange(section="title", text="No"), "sections[0].text"),
        (SectionChange(section="title", text="x" * 121), "sections[0].text"),
        (SectionChange(section="title"), "sections[0].text"),
        (SectionChange(section="reaction_plan"), "sections[0].text"),
        (SectionChange(section="loto_not_required_reason", text="Too short"), "sections[0].text"),
        (SectionChange(section="loto_not_required_reason", text="short     "), "sections[0].text"),
    ],
)
def test_a_section_with_the_wrong_content_is_named(wrong: SectionChange, field: str):
    assert fields(sections=(wrong,)) == [field]


def test_one_section_is_given_once():
    assert fields(sections=(SectionChange(section="tools"), SectionChange(section="tools"))) == ["sections"]


def test_at_least_one_step_stays_and_not_more_than_the_form_holds():
    assert fields(*(change(n, "remove") for n in (1, 2, 3))) == ["step_changes"]
    assert fields(*(insert(1, f"Number {n}") for n in range(MOST_STEPS - 3))) == []
    assert fields(*(insert(1, f"Number {n}") for n in range(MOST_STEPS - 2))) == ["step_changes"]
