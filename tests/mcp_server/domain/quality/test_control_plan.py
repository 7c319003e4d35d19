"""One test a rule, at its boundaries."""

from datetime import date

import pytest

from mcp_server.domain.quality.control_plan import (
    Finding,
    check_machine,
    check_row,
    complete_row,
    coverage,
)
from mcp_server.domain.records import (
    CharacteristicKind,
    ControlMethod,
    Machine,
    MachineStatus,
    Phase,
    PlanRow,
    Sampling,
    Spec,
    SpecialClass,
)

CC, SC = SpecialClass.CC, SpecialClass.SC


def a_row(**changes: object) -> PlanRow:
    """A row of a plain characteristic that meets every rule."""
    plain: dict[str, object] = {
        "operation": "OP20",
        "characteristic": "Bore diameter",
        "kind": CharacteristicKind.PRODUCT,
        "unit": "mm",
        "nominal": 57.0,
        "lsl": 56.9,
        "usl": 57.1,
        "technique": "bore gauge",
        "sampling": Sampling.FIXED,
        "sample_size": 5,
        "frequency": "every 2 hours",
        "control_method": ControlMethod.INSPECTION_RECORD,
        "reaction_plan": "Stop and sort back to the last good check.",
        "reaction_owner": "Line lead",
    }
    return PlanRow.model_validate(plain | changes)


def a_spec(**changes: object) -> Spec:
    plain: dict[str, object] = {
        "id": "SP-1",
        "project": "ALPHA",
        "material_id": "M-1",
        "operation": "OP20",
        "characteristic": "Bore diameter",
        "kind": CharacteristicKind.PRODUCT,
        "data_type": "variable",
        "unit": "mm",
        "nominal": 57.0,
        "lsl": 56.9,
        "usl": 57.1,
        "gauge": "bore air gauge",
    }
    return Spec.model_validate(plain | changes)


def a_machine(status: MachineStatus) -> Machine:
    return Machine(
        id="MC-1",
        project="ALPHA",
        workstation="ALPHA-OP20",
        name="HMC 1",
        type="cnc_machining_center",
        make="Any",
        model="Any",
        serial="S-1",
        commissioned_on=date(2024, 1, 1),
        status=status,
        criticality="B",
        energy_sources=("electrical",),
        meter="spindle_h",
    )


def stopping(findings: list[Finding]) -> list[str]:
    return [finding.field for finding in findings if finding.stops]


def warned(findings: list[Finding]) -> list[str]:
    return [finding.field for finding in findings if not finding.stops]


def test_a_plain_row_meets_every_rule() -> None:
    assert check_row(a_row(), None) == []
    assert check_row(a_row(), a_spec()) == []


def test_every_finding_says_what_to_do() -> None:
    bad = a_row(lsl=58.0, aql="1.0", special_class=CC, technique=None, unit="in")
    findings = check_row(bad, a_spec())
    assert len(findings) > 4
    assert all(finding.message and finding.suggestion.endswith(".") for finding in findings)


def test_a_row_that_names_nothing_is_pointed_to_spec_id_once() -> None:
    assert stopping(check_row(a_row(operation=None, characteristic=None, kind=None), None)) == ["spec_id"]


@pytest.mark.parametrize("field", ["operation", "characteristic", "kind"])
def test_each_missing_part_of_the_identity_is_named(field: str) -> None:
    assert stopping(check_row(a_row(**{field: None}), None)) == [field]


@pytest.mark.parametrize(("lsl", "usl", "stops"), [(1.0, 1.0, True), (1.1, 1.0, True), (0.999, 1.0, False)])
def test_the_lower_limit_lies_below_the_upper(lsl: float, usl: float, stops: bool) -> None:
    assert stopping(check_row(a_row(nominal=None, lsl=lsl, usl=usl), None)) == (["lsl"] if stops else [])


@pytest.mark.parametrize(
    ("nominal", "lsl", "usl", "stops"),
    [
        (56.9, 56.9, 57.1, False),
        (57.1, 56.9, 57.1, False),
        (56.8, 56.9, 57.1, True),
        (57.2, 56.9, 57.1, True),
        (0.1, None, 0.8, False),
        (0.9, None, 0.8, True),
        (9.0, 8.0, None, False),
        (7.9, 8.0, None, True),
        (5.0, None, None, False),
    ],
)
def test_nominal_lies_within_the_limits_there_are(nominal, lsl, usl, stops) -> None:
    assert stopping(check_row(a_row(nominal=nominal, lsl=lsl, usl=usl), None)) == (["nominal"] if stops else [])


def test_fixed_sampling_needs_a_sample_size() -> None:
    assert stopping(check_row(a_row(sample_size=None), None)) == ["sample_size"]


def test_aql_sampling_needs_an_aql() -> None:
    assert stopping(check_row(a_row(sampling=Sampling.AQL, sample_size=None), None)) == ["aql"]


@pytest.mark.parametrize(
    ("sampling", "given", "idle"),
    [
        (Sampling.FULL, {"sample_size": 5}, ["sample_size"]),
        (Sampling.FULL, {"sample_size": None, "aql": "1.0"}, ["aql"]),
        (Sampling.FIXED, {"aql": "1.0"}, ["aql"]),
        (Sampling.AQL, {"aql": "1.0"}, ["sample_size"]),
        (Sampling.FULL, {"sample_size": None}, []),
        (Sampling.AQL, {"sample_size": None, "aql": "1.0"}, []),
    ],
)
def test_a_figure_of_another_way_of_sampling_is_refused(sampling, given, idle) -> None:
    assert stopping(check_row(a_row(sampling=sampling, **given), None)) == idle


@pytest.mark.parametrize("method", list(ControlMethod))
def test_a_cc_characteristic_on_samples_rests_only_on_a_method_that_holds_it(method: ControlMethod) -> None:
    holds = method in {ControlMethod.SPC_CHART, ControlMethod.ERROR_PROOFING, ControlMethod.AUTOMATIC_GAUGING}
    row = a_row(special_class=CC, control_method=method)
    assert stopping(check_row(row, None)) == ([] if holds else ["control_method"])


@pytest.mark.parametrize("method", list(ControlMethod))
def test_a_cc_characteristic_under_full_inspection_takes_any_method(method: ControlMethod) -> None:
    row = a_row(special_class=CC, sampling=Sampling.FULL, sample_size=None, control_method=method)
    assert stopping(check_row(row, None)) == []


def test_a_cc_characteristic_refuses_aql_even_on_an_spc_chart() -> None:
    row = a_row(
        special_class=CC, sampling=Sampling.AQL, sample_size=None, aql="0.010", control_method=ControlMethod.SPC_CHART
    )
    assert stopping(check_row(row, None)) == ["sampling"]


def test_a_cc_characteristic_needs_a_technique_and_others_do_not() -> None:
    row = a_row(special_class=CC, sampling=Sampling.FULL, sample_size=None, technique=None)
    assert stopping(check_row(row, None)) == ["technique"]
    assert stopping(check_row(a_row(special_class=SC, technique=None), None)) == []


@pytest.mark.parametrize(
    ("limits", "method", "fields"),
    [
        ({"lsl": None, "usl": None}, ControlMethod.VISUAL_STANDARD, ["control_method"]),
        ({"lsl": None, "usl": None}, ControlMethod.ERROR_PROOFING, []),
        ({"lsl": None, "usl": 57.1}, ControlMethod.VISUAL_STANDARD, ["control_method"]),
        ({"lsl": 56.9, "usl": 57.1}, ControlMethod.VISUAL_STANDARD, ["control_method"]),
        ({"lsl": None, "usl": 57.1}, ControlMethod.INSPECTION_RECORD, []),
        ({"lsl": 56.9, "usl": None}, ControlMethod.AUTOMATIC_GAUGING, []),
    ],
)
def test_a_cc_characteristic_judged_by_attribute_only_is_warned_about(limits, method, fields) -> None:
    row = a_row(
        special_class=CC, sampling=Sampling.FULL, sample_size=None, control_method=method, nominal=None, **limits
    )
    findings = check_row(row, None)
    assert (stopping(findings), warned(findings)) == ([], fields)
    assert check_row(row.model_copy(update={"special_class": SC}), None) == []


@pytest.mark.parametrize(
    ("field", "other"), [("unit", "in"), ("kind", CharacteristicKind.PROCESS), ("operation", "OP30")]
)
def test_a_row_may_not_contradict_its_specification(field: str, other: object) -> None:
    assert stopping(check_row(a_row(**{field: other}), a_spec())) == [field]


def test_the_class_of_the_specification_may_not_be_lowered_but_may_be_raised() -> None:
    held = {"control_method": ControlMethod.SPC_CHART}
    assert stopping(check_row(a_row(special_class=SC, **held), a_spec(special_class=CC))) == ["special_class"]
    assert stopping(check_row(a_row(special_class=None, **held), a_spec(special_class=SC))) == ["special_class"]
    assert stopping(check_row(a_row(special_class=SC, **held), a_spec(special_class=None))) == []


@pytest.mark.parametrize(
    ("row_limits", "spec_limits", "fields"),
    [
        ((56.9, 57.1), (56.9, 57.1), []),
        ((56.95, 57.05), (56.9, 57.1), []),
        ((56.89, 57.1), (56.9, 57.1), ["lsl"]),
        ((56.9, 57.11), (56.9, 57.1), ["usl"]),
        ((56.8, 57.2), (56.9, 57.1), ["lsl", "usl"]),
        ((56.0, 57.1), (None, 57.1), []),
        ((56.9, 99.0), (56.9, None), []),
    ],
)
def test_limits_may_be_tighter_than_the_specification_and_never_wider(row_limits, spec_limits, fields) -> None:
    row = a_row(nominal=None, lsl=row_limits[0], usl=row_limits[1])
    spec = a_spec(nominal=None, lsl=spec_limits[0], usl=spec_limits[1])
    assert stopping(check_row(row, spec)) == fields


def test_what_a_row_leaves_out_comes_from_the_specification() -> None:
    names = ("operation", "characteristic", "kind", "unit", "nominal", "lsl", "usl", "technique")
    bare = a_row(**dict.fromkeys(names))
    whole = complete_row(bare, a_spec(special_class=SC))
    assert whole == a_row(technique="bore air gauge", special_class=SC)


def test_what_a_row_says_itself_is_kept() -> None:
    row = a_row(lsl=56.95, technique="CMM")
    assert complete_row(row, a_spec()) == row


def test_an_open_side_of_a_specification_stays_open() -> None:
    whole = complete_row(a_row(nominal=None, lsl=None, usl=None), a_spec(nominal=None, lsl=None, usl=0.8))
    assert (whole.lsl, whole.usl) == (None, 0.8)


def test_only_aql_sampling_gets_a_default_inspection_level() -> None:
    by_aql = a_row(sampling=Sampling.AQL, sample_size=None, aql="1.0")
    assert complete_row(by_aql, None).inspection_level == "II"
    assert complete_row(by_aql.model_copy(update={"inspection_level": "S-1"}), None).inspection_level == "S-1"
    assert complete_row(a_row(), None).inspection_level is None


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("status", list(MachineStatus))
def test_only_a_production_plan_is_warned_about_a_machine_still_commissioning(phase, status) -> None:
    findings = check_machine(a_machine(status), phase)
    due = phase is Phase.PRODUCTION and status is MachineStatus.COMMISSIONING
    assert (stopping(findings), warned(findings)) == ([], ["machine_id"] if due else [])


@pytest.mark.parametrize("aql", ["15", "1000"])
def test_an_aql_that_counts_nonconformities_cannot_judge_pieces(aql: str) -> None:
    row = a_row(sampling=Sampling.AQL, sample_size=None, aql=aql)
    assert stopping(check_row(row, None)) == ["aql"]
    assert check_row(row.model_copy(update={"aql": "10"}), None) == []


def test_aql_sampling_of_a_process_characteristic_is_warned_about() -> None:
    row = a_row(sampling=Sampling.AQL, sample_size=None, aql="1.0", kind=CharacteristicKind.PROCESS)
    assert warned(check_row(row, None)) == ["sampling"]


@pytest.mark.parametrize("sampling", [Sampling.FULL, Sampling.FIXED])
def test_an_inspection_level_goes_with_aql_only(sampling: Sampling) -> None:
    size = 5 if sampling is Sampling.FIXED else None
    row = a_row(sampling=sampling, sample_size=size, inspection_level="II")
    assert stopping(check_row(row, None)) == ["inspection_level"]


@pytest.mark.parametrize("name", ["nominal", "lsl", "usl"])
def test_a_characteristic_judged_good_or_bad_takes_no_limits(name: str) -> None:
    plug = a_spec(data_type="attribute", nominal=None, lsl=None, usl=None)
    row = a_row(nominal=None, lsl=None, usl=None)
    assert check_row(row, plug) == []
    assert stopping(check_row(row.model_copy(update={name: 2.0}), plug)) == [name]


def test_a_row_that_calls_a_characteristic_otherwise_is_warned_about() -> None:
    assert warned(check_row(a_row(characteristic="Something else"), a_spec())) == ["characteristic"]


def test_coverage_counts_special_characteristics_only() -> None:
    specs = [a_spec(id="SP-1", special_class=CC), a_spec(id="SP-2", special_class=SC), a_spec(id="SP-3")]
    found = coverage(specs, [a_row(spec_id="SP-2"), a_row(spec_id="SP-3"), a_row(spec_id=None)])
    assert (found.special_total, found.special_covered, found.missing) == (2, 1, ("SP-1",))


def test_two_rows_for_one_characteristic_cover_it_once() -> None:
    found = coverage([a_spec(id="SP-1", special_class=CC)], [a_row(spec_id="SP-1"), a_row(spec_id="SP-1")])
    assert (found.special_total, found.special_covered, found.missing) == (1, 1, ())
