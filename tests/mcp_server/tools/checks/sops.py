"""Cases for procedures: creating, reading and revising them."""

from typing import Any

from mcp_server.domain.records import DocumentState, Sop
from tests.support.checks import ALPHA, AnyTool, Case, Run, answering, each, lying

HAZARD = {
    "hazard": "Rotating torque spindle",
    "consequence": "Could pinch fingers",
    "avoidance": "Keep the other hand on the fixture handle",
    "signal_word": "caution",
}
TIGHTEN = {"text": "Tighten both bridge bolts to 115 N.m", "time_s": 20.0, "check_spec_id": "SP-011"}
BLEEDER = {
    "text": "Tighten the bleeder screw to 10 N.m",
    "time_s": 26.0,
    "check_spec_id": "SP-012",
    "key_point": "Green lamp before you let go",
}


def procedure(**changes: Any) -> dict[str, Any]:
    """Arguments of `create_sop` that meet every rule; a change of None leaves the field out."""
    told = {
        "project": "ALPHA",
        "title": "Torque sequence, new fixture",
        "workstation": "ALPHA-OP70",
        "material_id": "FC57-FG",
        "purpose": "Join bridge and housing to the torque on the drawing.",
        "scope": "Every caliper FC57 at OP70, all shifts.",
        "steps": [TIGHTEN, BLEEDER],
        "reaction_plan": "Stop, tag the caliper, call the line supervisor.",
        "hazards": [HAZARD],
        "ppe": ["Safety glasses", "Cut-resistant gloves"],
        "loto_not_required_reason": "Normal production; guards stay in place, nothing is opened.",
        "tools": ["TQ-122 torque station"],
        "training": ["Torque basics"],
        "records": ["Torque log"],
        "references": ["Drawing 57-0001"],
    }
    return {name: value for name, value in (told | changes).items() if value is not None}


def revision(**changes: Any) -> dict[str, Any]:
    """Arguments of `revise_sop` that change the procedure of `procedure()` when it is new."""
    told = {
        "project": "ALPHA",
        "sop_id": "SOP-0001",
        "expected_revision": 1,
        "change_reason": "Customer asked for a second check.",
        "step_changes": [{"position": 2, "action": "replace", "time_s": 25.0}],
    }
    return {name: value for name, value in (told | changes).items() if value is not None}


def section(name: str, **content: Any) -> list[dict[str, Any]]:
    return [{"section": name, **content}]


def storing(**update: Any) -> Run:
    """The tool stores something else than it should, and says so."""

    async def run(tool: AnyTool, request: Any, call: Any) -> Any:
        result = await tool.run(request, call)
        changed = result.record.model_copy(update=update)
        await call.unit.replace(changed)
        return result.model_copy(update={"record": changed})

    return run


TWO_OF_EACH = lying(Sop, lambda items: (*items, *each(revision=99)(items)))
"""A second revision of everything, in the same state."""


async def _rewrites_the_one_before(tool: AnyTool, request: Any, call: Any) -> Any:
    result = await tool.run(request, call)
    before = await call.unit.get(Sop, "SOP-0001@0001")
    await call.unit.replace(before.model_copy(update={"scope": "Nowhere"}))
    return result


def _no_sections_missing(_result: Any) -> dict[str, Any]:
    return {"sections": _result.sections.model_copy(update={"missing": ("purpose",)})}


CREATED = ("create_sop", procedure())

VALID: dict[str, dict[str, Any]] = {
    "create_sop": procedure(),
    "get_sops": ALPHA,
    "revise_sop": revision(hazards=[HAZARD], sections=section("ppe", items=["Safety glasses"])),
}

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("create_sop", "_place_and_material_are_usable"): Case(
        "precondition", "machine_ids[1]", procedure(machine_ids=["TQ-122", "MC-103"])
    ),
    ("create_sop", "_hazards_are_stated_rightly"): Case(
        "precondition", "hazards[0].signal_word", procedure(hazards=[HAZARD | {"signal_word": "notice"}])
    ),
    ("create_sop", "_energy_is_locked_out"): Case(
        "precondition", "loto_sop_id", procedure(loto_not_required_reason=None)
    ),
    ("create_sop", "_steps_check_what_matters"): Case("precondition", "steps", procedure(steps=[BLEEDER])),
    ("create_sop", "_title_is_free"): Case(
        "conflict", "title", procedure(title="torque  SEQUENCE, new fixture"), before=CREATED
    ),
    ("get_sops", "_procedures_exist"): Case("not_found", "id", ALPHA | {"id": "SOP-A-071"}),
    ("revise_sop", "_is_open_to_change"): Case(
        "precondition", "sop_id", revision(sop_id="SOP-A-070", expected_revision=4)
    ),
    ("revise_sop", "_changes_can_be_made"): Case(
        "precondition",
        "step_changes[0].position",
        revision(step_changes=[{"position": 3, "action": "remove"}]),
        before=CREATED,
    ),
    ("revise_sop", "_something_changes"): Case(
        "precondition",
        "sections",
        revision(step_changes=[{"position": 1, "action": "replace", "time_s": 20.0}]),
        before=CREATED,
    ),
    ("revise_sop", "_place_and_material_are_usable"): Case(
        "precondition", "sections", revision(sections=section("material_id", text="HSG-FC57-C")), before=CREATED
    ),
    ("revise_sop", "_hazards_are_stated_rightly"): Case(
        "precondition",
        "hazards[0].signal_word",
        revision(hazards=[HAZARD | {"consequence": "Will amputate fingers"}]),
        before=CREATED,
    ),
    ("revise_sop", "_energy_is_locked_out"): Case(
        "precondition", "sections", revision(sections=section("loto_not_required_reason")), before=CREATED
    ),
    ("revise_sop", "_steps_check_what_matters"): Case(
        "precondition",
        "step_changes",
        revision(step_changes=[{"position": 1, "action": "remove"}]),
        before=CREATED,
    ),
    ("revise_sop", "_title_is_free"): Case(
        "conflict",
        "sections",
        revision(sop_id="SOP-0002", sections=section("title", text="Torque sequence, new fixture")),
        before=(CREATED, ("create_sop", procedure(title="Bolt feeding"))),
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("create_sop", "_is_as_asked"): Case("verification_failed", "steps", procedure(), run=storing(steps=())),
    ("create_sop", "has_one_open_revision"): Case("verification_failed", "record.state", procedure(), lies=TWO_OF_EACH),
    ("create_sop", "report_follows_from_the_record"): Case(
        "verification_failed", "sections", procedure(), run=answering(_no_sections_missing)
    ),
    ("get_sops", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"workstation": "ALPHA-OP70"}, lies=lying(Sop, each(workstation="X"))
    ),
    ("get_sops", "_one_revision_is_in_force"): Case(
        "verification_failed",
        None,
        ALPHA | {"workstation": "ALPHA-OP10"},
        lies=TWO_OF_EACH,
    ),
    ("revise_sop", "_the_revision_before_is_untouched"): Case(
        "verification_failed", "sop_id", revision(), before=CREATED, run=_rewrites_the_one_before
    ),
    ("revise_sop", "_only_the_changes_changed"): Case(
        "verification_failed", "sections", revision(), before=CREATED, run=storing(scope="Nowhere")
    ),
    ("revise_sop", "has_one_open_revision"): Case(
        "verification_failed", "record.state", revision(), before=CREATED, run=storing(state=DocumentState.SUPERSEDED)
    ),
    ("revise_sop", "report_follows_from_the_record"): Case(
        "verification_failed", "sections", revision(), before=CREATED, run=answering(_no_sections_missing)
    ),
}
