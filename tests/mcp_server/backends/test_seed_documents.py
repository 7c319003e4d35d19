"""Control plans, checklists, inspection results and procedures of the sample plant meet our own rules."""

from collections import Counter
from datetime import timedelta

from mcp_server.domain.procedures.sop import (
    CYCLE_TOLERANCE_PCT,
    check_hazards,
    check_lockout,
    compare_times,
    missing_sections,
    operation_of,
    unchecked,
)
from mcp_server.domain.quality.capability import capability
from mcp_server.domain.quality.control_plan import check_row, complete_row, coverage
from mcp_server.domain.quality.gauges import check_gauge
from mcp_server.domain.quality.inspection import demand_of, judge
from mcp_server.domain.records import (
    Checklist,
    DocumentState,
    Gauge,
    InspectionResult,
    Lot,
    Machine,
    Phase,
    QualityPlan,
    Sop,
    Spec,
    SpecialClass,
    Verdict,
    Workstation,
)
from tests.mcp_server.backends.test_seed import by_id, every
from tests.support.sample_plant import AS_OF


def test_every_row_of_every_plan_meets_every_rule():
    specs, gauges = by_id(Spec), by_id(Gauge)
    for plan in every(QualityPlan):
        for row in plan.rows:
            spec = specs.get(row.spec_id or "")
            assert row == complete_row(row, spec)
            assert [finding for finding in check_row(row, spec) if finding.stops] == [], plan.key
            assert spec is None or spec.material_id == plan.material_id
            if row.gauge_id is not None:
                gauge = gauges[row.gauge_id]
                assert check_gauge(gauge, row, on=AS_OF, measured=False) == [], plan.key


def test_there_are_eight_plans_in_mixed_states_and_the_readmes_plan_is_still_to_make():
    plans = every(QualityPlan)
    assert len({plan.id for plan in plans}) == 8
    assert Counter(plan.state.value for plan in plans) == {
        "released": 4, "superseded": 1, "draft": 1, "in_review": 1, "withdrawn": 1, "approved": 1,
    }  # fmt: skip
    assert [plan.key for plan in plans if plan.review_reason] == ["CP-G-01@0001"]
    assert not [plan for plan in plans if plan.material_id == "HSG-FC57"]
    assert {plan.phase for plan in plans} == {Phase.PRODUCTION, Phase.PRE_LAUNCH, Phase.PROTOTYPE}


def test_a_released_plan_covers_every_special_characteristic():
    for plan in every(QualityPlan):
        if plan.state is DocumentState.RELEASED:
            specs = [spec for spec in every(Spec) if spec.material_id == plan.material_id]
            assert coverage(specs, plan.rows).missing == (), plan.key


def test_checklists_hold_what_their_plan_says():
    plans = {plan.key: plan for plan in every(QualityPlan)}
    checklists = every(Checklist)
    assert len(checklists) == 12
    for checklist in checklists:
        assert checklist.items
        if checklist.plan_id is None:
            continue
        plan = plans[f"{checklist.plan_id}@{checklist.plan_revision:04d}"]
        assert plan.state is DocumentState.RELEASED
        wanted = {row.characteristic for row in plan.rows if row.operation == checklist.operation}
        assert {item.characteristic for item in checklist.items} == wanted, checklist.id


def test_the_verdict_of_every_inspection_follows_from_its_readings():
    checklists, gauges, lots = by_id(Checklist), by_id(Gauge), by_id(Lot)
    for result in every(InspectionResult):
        item = checklists[result.checklist_id or ""].items[(result.checklist_item or 0) - 1]
        demand = demand_of(item, lots[result.lot_id].qty)
        judged = judge(result.readings, lsl=result.lsl, usl=result.usl, accept=demand.accept)
        assert (judged.verdict, judged.nonconforming) == (result.verdict, result.nonconforming)
        assert (item.spec_id, lots[result.lot_id].material_id) == (result.spec_id, result.material_id)
        assert (result.verdict is Verdict.REJECT) is (result.issue_id is not None)
        assert len(result.readings) == result.sample_size
        gauge = gauges[result.gauge_id or ""]
        assert gauge.last_calibrated <= result.measured_at.date() <= gauge.cal_due
        assert result.measured_at.date() <= AS_OF - timedelta(days=1)


def test_the_piston_bore_has_a_capability_study_between_the_two_limits():
    subgroups = [result.readings for result in every(InspectionResult) if result.spec_id == "SP-001"]
    study = capability(subgroups, lsl=57.0, usl=57.03)
    assert (study.subgroups, study.readings, study.warnings) == (25, 125, ())
    assert study.cpk is not None
    assert 1.33 < study.cpk < 1.67
    assert study.assessment == "may_be_acceptable"


def test_only_the_procedure_in_review_misses_a_section():
    assert {sop.id: missing_sections(sop) for sop in every(Sop) if missing_sections(sop)} == {
        "SOP-A-070": ["reaction_plan"]
    }


def test_every_hazard_has_its_signal_word_and_every_energy_its_lockout_or_reason():
    machines = by_id(Machine)
    lockouts = [sop for sop in every(Sop) if sop.kind == "loto"]
    for sop in every(Sop):
        assert sop.hazards
        assert check_hazards(sop) == [], sop.id
        if sop.kind == "sop":
            found = check_lockout(sop, [machines[m] for m in sop.machine_ids], lockouts, AS_OF)
            assert [finding for finding in found if finding.stops] == [], sop.id


def test_the_steps_fill_the_cycle_and_check_what_is_critical():
    stations = by_id(Workstation)
    for sop in every(Sop):
        if sop.workstation is None:
            continue
        times = compare_times(sop.steps, stations[sop.workstation].cycle_time_s, None)
        assert times.difference_pct is not None
        assert abs(times.difference_pct) <= CYCLE_TOLERANCE_PCT
        operation = operation_of(sop.workstation)
        here = [s for s in every(Spec) if s.material_id == sop.material_id and s.operation == operation]
        assert unchecked(here, sop.steps, SpecialClass.CC) == [], sop.id


def test_step_seven_of_the_press_in_is_the_one_people_complain_about():
    (sop,) = (sop for sop in every(Sop) if sop.id == "SOP-A-060")
    assert " and " in sop.steps[6].text
