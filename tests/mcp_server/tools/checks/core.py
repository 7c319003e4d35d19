"""Cases for the tools of core."""

from typing import Any

from mcp_server.domain.records import Gauge, Machine, Material, Person, Project, Spec, Workstation
from tests.support.checks import ALPHA, Case, answering, each, lying, twice

VALID: dict[str, dict[str, Any]] = {
    "list_projects": {},
    "get_machines": {"project": "ALPHA"},
    "get_materials": {"project": "ALPHA"},
    "get_specs": {"project": "ALPHA"},
    "get_workstations": {"project": "ALPHA"},
    "get_resources": {"project": "ALPHA", "kind": "gauge"},
    "get_record": {"project": "ALPHA", "type": "machine", "id": "MC-103"},
    "search_records": {"project": "ALPHA", "q": "leak tester"},
}

_MACHINE = VALID["get_record"]

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("get_machines", "_machines_exist"): Case("not_found", "ids[1]", ALPHA | {"ids": ["MC-103", "MC-999"]}),
    ("get_machines", "_places_exist"): Case("not_found", "workstation", ALPHA | {"workstation": "ALPHA-OP21"}),
    ("get_materials", "_materials_exist"): Case("not_found", "ids[0]", ALPHA | {"ids": ["HSG-FC58"]}),
    ("get_specs", "_specs_exist"): Case("not_found", "material_id", ALPHA | {"material_id": "HSG-FC58"}),
    ("get_workstations", "_workstations_exist"): Case("not_found", "ids[0]", ALPHA | {"ids": ["ALPHA-OP21"]}),
    ("get_resources", "_filters_fit_the_kind"): Case(
        "precondition", "skill", ALPHA | {"kind": "gauge", "skill": "mechanical"}
    ),
    ("get_record", "_revision_is_kept"): Case("not_found", "revision", _MACHINE | {"revision": 2}),
    ("search_records", "_types_are_known"): Case(
        "precondition", "types[0]", ALPHA | {"q": "leak", "types": ["machines"]}
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("list_projects", "page_is_as_asked"): Case("verification_failed", None, {}, lies=twice(Project)),
    ("get_machines", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA, lies=lying(Machine, each(project="BETA"))
    ),
    ("get_materials", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"status": "released"}, lies=lying(Material, each(status="obsolete"))
    ),
    ("get_specs", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"ids": ["SP-001"]}, lies=lying(Spec, each(id="SP-002"))
    ),
    ("get_workstations", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"limit": 2}, lies=twice(Workstation)
    ),
    ("get_workstations", "_machines_resolve"): Case(
        "verification_failed",
        "items",
        ALPHA,
        run=answering(
            lambda result: {"items": tuple(i.model_copy(update={"machines": ("MC-999",)}) for i in result.items)}
        ),
    ),
    ("get_resources", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"kind": "person"}, lies=lying(Person, each(project="BETA"))
    ),
    ("get_resources", "_calibration_is_told_truly"): Case(
        "verification_failed",
        "overdue",
        ALPHA | {"kind": "gauge"},
        run=answering(
            lambda result: {"items": tuple(item.model_copy(update={"overdue": False}) for item in result.items)}
        ),
    ),
    ("get_record", "_record_is_the_stored_one"): Case(
        "verification_failed",
        "record",
        _MACHINE,
        run=answering(lambda result: {"record": result.record | {"status": "idle"}}),
    ),
    ("search_records", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"q": "gauge", "types": ["gauge"]}, lies=lying(Gauge, each(project="BETA"))
    ),
    ("search_records", "_hits_are_real"): Case(
        "verification_failed",
        "items",
        ALPHA | {"q": "leak"},
        run=answering(lambda result: {"items": result.items[::-1]}),
    ),
}
