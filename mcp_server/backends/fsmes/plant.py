"""Machines, the places above them, and materials."""

from mcp_server.backends.fsmes.calls import Calls, Entry
from mcp_server.backends.fsmes.listed import Listed
from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.domain.records import SHARED, EquipmentNode, Machine, MachineStatus, Material

__all__ = ["LONGEST_CODE", "machines", "materials", "places"]

LONGEST_CODE = 40
_LONGEST_NAME = 120
_LONGEST_UNIT = 20
_EQUIPMENT = "/masterdata/equipment"
_WORK_UNIT = "work_unit"
_TYPES = {"finished_good": "finished", "wip": "intermediate"}
"""Our types of material by theirs; all others are raw to the MES: what is bought and used."""
_OUR_TYPES = {"finished": "finished_good", "intermediate": "wip", "raw": "component"}


def machines(calls: Calls) -> Listed[Machine]:
    return Listed(
        calls,
        Machine,
        fields=(FieldMap("name", "name"),),
        assumed={
            "project": SHARED,
            "workstation": "",
            "type": "unknown",
            "make": "",
            "model": "",
            "serial": "",
            "status": MachineStatus.IDLE,
            "criticality": "B",
            "energy_sources": (),
            "meter": "run_h",
        },
        path=_EQUIPMENT,
        params={"level": _WORK_UNIT},
        row=_machine_row,
        body=lambda machine: {"code": machine.id, "name": machine.name, "level": _WORK_UNIT},
        ref=lambda machine: machine.id,
        accepts=lambda machine: _fits(machine.id, machine.name),
    )


def places(calls: Calls) -> Listed[EquipmentNode]:
    return Listed(
        calls,
        EquipmentNode,
        fields=(
            FieldMap("name", "name"),
            FieldMap("level", "level", encode=_level),
            FieldMap("parent", "parent"),
        ),
        assumed={},
        path=_EQUIPMENT,
        row=_place_row,
        body=lambda place: {
            "code": place.id,
            "name": place.name,
            "level": _level(place.level),
            "parent": place.parent,
        },
        ref=lambda place: place.id,
        accepts=lambda place: _fits(place.id, place.name) and _level(place.level) in _LEVELS,
    )


def materials(calls: Calls) -> Listed[Material]:
    return Listed(
        calls,
        Material,
        fields=(
            FieldMap("name", "name"),
            FieldMap("uom", "unit"),
            FieldMap("type", "type", encode=_type, decode=_OUR_TYPES.__getitem__),
        ),
        assumed={
            "project": SHARED,
            "standard": "",
            "revision": "-",
            "lot_tracked": False,
            "supplier": "",
            "status": "released",
        },
        path="/masterdata/materials",
        row=_material_row,
        body=lambda material: {
            "code": material.id,
            "name": material.name,
            "unit": material.uom,
            "type": _type(material.type),
        },
        ref=lambda material: material.id,
        accepts=lambda material: _fits(material.id, material.name) and len(material.uom) <= _LONGEST_UNIT,
    )


_LEVELS = frozenset({"enterprise", "site", "area", "work_center"})


def _machine_row(entry: Entry) -> Row | None:
    if entry["level"] != _WORK_UNIT:
        return None
    code: str = entry["code"]
    return Row(code, code, {"name": entry["name"]}, assumed={"workstation": entry["parent"] or ""})


def _place_row(entry: Entry) -> Row | None:
    if entry["level"] == _WORK_UNIT:
        return None
    code: str = entry["code"]
    return Row(code, code, {name: entry[name] for name in ("name", "level", "parent")})


def _material_row(entry: Entry) -> Row:
    code: str = entry["code"]
    return Row(code, code, {name: entry[name] for name in ("name", "unit", "type")})


def _level(level: str) -> str:
    """Ours may say what kind of work center it is: `work_center:production_line`."""
    return level.partition(":")[0]


def _type(material_type: str) -> str:
    return _TYPES.get(material_type, "raw")


def _fits(code: str, name: str) -> bool:
    return len(code) <= LONGEST_CODE and len(name) <= _LONGEST_NAME
