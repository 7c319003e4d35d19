from datetime import UTC, date, datetime
from typing import Any

import pytest

from mcp_server.domain.procedures.sop import (
    check_hazards,
    check_lockout,
    compare_times,
    missing_sections,
    operation_of,
    required_sections,
    review_is_overdue,
    time_warnings,
    unchecked,
)
from mcp_server.domain.records import (
    CharacteristicKind,
    DocumentState,
    Hazard,
    Machine,
    MachineStatus,
    SignalWord,
    Sop,
    SopStep,
    Spec,
    SpecialClass,
)

TODAY = date(2026, 11, 22)
CUT = Hazard(
    hazard="Sharp edge", consequence="Could cut fingers", avoidance="Wear gloves", signal_word=SignalWord.CAUTION
)
CHECKED = SopStep(text="Tighten to 115 N.m", time_s=20.0, check_spec_id="SP-011")
REASON = "Guards stay closed in this work."
COMPLETE: dict[str, Any] = {
    "workstation": "ALPHA-OP70",
    "machine_ids": ("TQ-122",),
    "material_id": "FC57-FG",
    "purpose": "Join the bridge.",
    "scope": "OP70",
    "ppe": ("Gloves",),
    "hazards": (CUT,),
    "loto_not_required_reason": REASON,
    "tools": ("TQ-122",),
    "training": ("Torque",),
    "steps": (CHECKED,),
    "reaction_plan": "Stop and call.",
    "records": ("Log",),
    "references": ("Drawing",),
}
LOCKOUT_STEPS = (
    "Tell everyone concerned",
    "Shut the machine down at the panel",
    "Isolate the main disconnect and the air",
    "Attach your own padlock and tag",
    "Bleed the accumulator",
    "Try to start to verify zero energy",
    "Remove the padlock and restore energy",
)


def sop(**told: Any) -> Sop:
    head: dict[str, Any] = {
        "id": "SOP-0001",
        "project": "ALPHA",
        "title": "Torque sequence",
        "revision": 1,
        "state": DocumentState.DRAFT,
        "created_at": datetime(2026, 11, 1, tzinfo=UTC),
        "created_by": "E108",
    }
    return Sop(**(head | told))


def lockout(**told: Any) -> Sop:
    covering: dict[str, Any] = {
        "id": "LOTO-X",
        "kind": "loto",
        "state": DocumentState.RELEASED,
        "machine_ids": ("MC-101",),
        "inspected_on": date(2026, 6, 1),
    }
    return sop(**(covering | told))


def machine(machine_id: str, *energy_sources: str) -> Machine:
    return Machine(
        id=machine_id,
        project="ALPHA",
        workstation="ALPHA-OP10",
        name="HMC",
        type="cnc_machining_center",
        make="DMG MORI",
        model="NHX 4000",
        serial="SMPL-1",
        commissioned_on=date(2024, 3, 11),
        status=MachineStatus.RUNNING,
        criticality="B",
        energy_sources=energy_sources,
        meter="spindle_h",
    )


def spec(spec_id: str, special_class: SpecialClass | None) -> Spec:
    return Spec(
        id=spec_id,
        project="ALPHA",
        material_id="FC57-FG",
        operation="OP70",
        characteristic="Torque",
        kind=CharacteristicKind.PROCESS,
        data_type="variable",
        unit="N.m",
        special_class=special_class,
        gauge="TQ-122",
    )


NHX, MAKINO, TABLE = machine("MC-101", "electrical", "hydraulic"), machine("MC-105", "electrical"), machine("TB-1")


def test_a_procedure_with_every_section_misses_none():
    assert missing_sections(sop(**COMPLETE)) == []


@pytest.mark.parametrize(
    ("section", "left_out"),
    [
        ("purpose", "purpose"),
        ("scope", "scope"),
        ("workstation", "workstation"),
        ("machine_ids", "machine_ids"),
        ("material_id", "material_id"),
        ("tools", "tools"),
        ("ppe", "ppe"),
        ("hazards", "hazards"),
        ("loto", "loto_not_required_reason"),
        ("training", "training"),
        ("reaction_plan", "reaction_plan"),
        ("records", "records"),
        ("references", "references"),
    ],
)
def test_a_section_left_out_is_missing(section: str, left_out: str):
    assert missing_sections(sop(**{n: v for n, v in COMPLETE.items() if n != left_out})) == [section]


def test_an_empty_procedure_misses_all_sections_in_the_order_of_the_form():
    assert missing_sections(sop()) == required_sections(sop())
    assert required_sections(sop())[0] == "purpose"


def test_a_reason_stands_for_protection_and_a_lockout_reference_for_a_reason():
    bare = {n: v for n, v in COMPLETE.items() if n not in {"ppe", "loto_not_required_reason"}}
    assert missing_sections(sop(**bare, ppe_not_required_reason="Only screen work", loto_sop_id="LOTO-X")) == []


def test_steps_without_any_check_are_no_quality_check():
    plain = SopStep(text="Load the part", time_s=5.0)
    keyed = SopStep(text="Load the part", time_s=5.0, key_point="Datum down")
    assert missing_sections(sop(**(COMPLETE | {"steps": (plain,)}))) == ["quality_checks"]
    assert missing_sections(sop(**(COMPLETE | {"steps": (plain, keyed)}))) == []


def lockout_steps(*texts: str) -> tuple[SopStep, ...]:
    return tuple(SopStep(text=text, time_s=0.0) for text in texts)


WHOLE_LOCKOUT: dict[str, Any] = {
    "purpose": "Protect whoever services the machine.",
    "scope": "All service inside guards",
    "training": ("Authorized employees only",),
    "tools": ("Red padlock", "Tag"),
    "steps": lockout_steps(*LOCKOUT_STEPS),
}


def test_a_lockout_procedure_with_osha_s_contents_misses_nothing():
    assert missing_sections(lockout(**WHOLE_LOCKOUT)) == []


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        (1, "steps: shut down"),
        (2, "steps: isolate"),
        (4, "steps: stored energy"),
        (5, "steps: verify"),
        (6, "steps: remove locks"),
    ],
)
def test_a_lockout_procedure_needs_each_kind_of_step(left_out: int, missing: str):
    texts = [text for position, text in enumerate(LOCKOUT_STEPS) if position != left_out]
    assert missing_sections(lockout(**(WHOLE_LOCKOUT | {"steps": lockout_steps(*texts)}))) == [missing]


def test_a_lockout_procedure_without_locks_is_none():
    texts = [text for text in LOCKOUT_STEPS if "padlock" not in text] + ["Remove the barrier and restore energy"]
    assert missing_sections(lockout(**(WHOLE_LOCKOUT | {"steps": lockout_steps(*texts)}))) == ["steps: lock or tag"]


def test_the_operation_is_the_end_of_the_station_s_id():
    assert operation_of("ALPHA-OP70") == "OP70"
    assert operation_of("OP70") == "OP70"


def test_characteristics_of_a_class_that_no_step_names_are_unchecked():
    specs = [
        spec("SP-011", SpecialClass.CC),
        spec("SP-012", SpecialClass.SC),
        spec("SP-013", SpecialClass.CC),
        spec("SP-1", None),
    ]
    assert [s.id for s in unchecked(specs, [CHECKED], SpecialClass.CC)] == ["SP-013"]
    assert [s.id for s in unchecked(specs, [CHECKED], SpecialClass.SC)] == ["SP-012"]


def test_a_hazard_that_can_hurt_needs_protection_or_a_reason():
    (finding,) = check_hazards(sop(hazards=(CUT,)))
    assert (finding.field, finding.stops) == ("ppe", True)
    assert check_hazards(sop(hazards=(CUT,), ppe=("Gloves",))) == []
    assert check_hazards(sop(hazards=(CUT,), ppe_not_required_reason="Edges are covered")) == []


def test_a_notice_needs_no_protection():
    notice = Hazard(hazard="Fragile", consequence="Damage to the part", avoidance="Lift", signal_word=SignalWord.NOTICE)
    assert check_hazards(sop(hazards=(notice,))) == []


def test_a_wrong_signal_word_is_named_with_its_place():
    weak = CUT.model_copy(update={"consequence": "Could amputate fingers"})
    (finding,) = check_hazards(sop(hazards=(CUT, weak), ppe=("Gloves",)))
    assert finding.field == "hazards[1].signal_word"
    assert finding.stops


def test_energy_needs_a_lockout_procedure_or_a_reason():
    (finding,) = check_lockout(sop(), [NHX, TABLE], [lockout()], TODAY)
    assert finding.stops
    assert finding.field == "loto_sop_id"
    assert finding.message == "hazardous energy without a lockout procedure: MC-101 (electrical, hydraulic)"
    assert finding.suggestion.startswith("Name LOTO-X in loto_sop_id")
    assert check_lockout(sop(loto_sop_id="LOTO-X"), [NHX, TABLE], [lockout()], TODAY) == []
    assert check_lockout(sop(), [TABLE], [], TODAY) == []


def test_without_any_procedure_the_remedy_is_to_have_one_released():
    (finding,) = check_lockout(sop(), [MAKINO], [lockout()], TODAY)
    assert finding.suggestion.startswith("Have a lockout procedure released")


def test_a_reason_does_but_a_procedure_that_covers_the_machine_is_pointed_out():
    assert check_lockout(sop(loto_not_required_reason=REASON), [MAKINO], [lockout()], TODAY) == []
    (finding,) = check_lockout(sop(loto_not_required_reason=REASON), [NHX], [lockout()], TODAY)
    assert not finding.stops
    assert finding.suggestion == "Name LOTO-X."


def test_a_machine_the_named_procedure_does_not_cover_needs_a_reason_too():
    (finding,) = check_lockout(sop(loto_sop_id="LOTO-X"), [NHX, MAKINO], [lockout()], TODAY)
    assert finding.field == "loto_not_required_reason"
    assert "MC-105" in finding.message
    assert "MC-101" not in finding.message
    both = sop(loto_sop_id="LOTO-X", loto_not_required_reason=REASON)
    assert check_lockout(both, [NHX, MAKINO], [lockout()], TODAY) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": DocumentState.DRAFT}, "LOTO-X is not released, it is draft"),
        ({"machine_ids": ("MC-999",)}, "LOTO-X covers none of MC-101"),
        ({"inspected_on": date(2025, 1, 1)}, "was last inspected on 2025-01-01"),
        ({"inspected_on": None}, "no periodic inspection on record"),
    ],
)
def test_a_named_procedure_must_be_fit_even_if_a_reason_is_given(changes: dict[str, Any], told: str):
    named = sop(loto_sop_id="LOTO-X", loto_not_required_reason=REASON)
    (finding,) = check_lockout(named, [NHX], [lockout(**changes)], TODAY)
    assert finding.stops
    assert finding.field == "loto_sop_id"
    assert told in finding.message


def test_a_named_procedure_may_cover_a_machine_without_energy_on_record():
    assert check_lockout(sop(loto_sop_id="LOTO-X"), [TABLE], [lockout(machine_ids=("TB-1",))], TODAY) == []


def test_a_procedure_that_is_not_there_covers_nothing():
    (finding,) = check_lockout(sop(loto_sop_id="LOTO-Y"), [NHX], [lockout()], TODAY)
    assert finding.message == "LOTO-Y covers none of MC-101"


def test_a_released_revision_counts_although_a_newer_draft_exists():
    revisions = [lockout(), lockout(revision=2, state=DocumentState.DRAFT)]
    assert check_lockout(sop(loto_sop_id="LOTO-X"), [NHX], revisions, TODAY) == []


@pytest.mark.parametrize(
    ("seconds", "warned"), [(46.3, False), (50.9, False), (51.0, True), (41.7, False), (41.6, True)]
)
def test_the_steps_may_be_ten_percent_off_the_cycle(seconds: float, warned: bool):
    times = compare_times([SopStep(text="Do all of it", time_s=seconds)], 46.3, 60.0)
    assert bool(time_warnings(times)) is warned


def test_a_difference_is_told_in_seconds_and_percent():
    assert time_warnings(compare_times([CHECKED], 40.0, 43.0)) == [
        "The steps take 20 s, the station's cycle is 40 s: 20.0 s less (-50 %)."
    ]
    over = time_warnings(compare_times([CHECKED.model_copy(update={"time_s": 45.5})], 44.0, 43.0))
    assert over == ["The steps take 45.5 s, 2.5 s over takt."]


def test_an_unknown_takt_is_told():
    (told,) = time_warnings(compare_times([CHECKED], 20.0, None))
    assert told.startswith("Takt is not known")


def test_a_station_without_a_cycle_has_no_difference():
    times = compare_times([CHECKED], 0.0, 43.004)
    assert (times.difference_pct, times.takt_s) == (None, 43.0)
    assert time_warnings(times) == []


def test_a_review_is_overdue_after_24_months():
    assert review_is_overdue(sop(effective_on=date(2024, 11, 21)), TODAY)
    assert not review_is_overdue(sop(effective_on=date(2024, 11, 22)), TODAY)
    assert not review_is_overdue(sop(), TODAY)
