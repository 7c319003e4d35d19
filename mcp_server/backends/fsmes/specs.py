"""Specifications: the MES has no id for one; material and characteristic together name it."""

from typing import Any

from mcp_server.backends.fsmes.calls import Calls, Entry
from mcp_server.backends.fsmes.listed import Listed
from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.domain.records import SHARED, CharacteristicKind, Spec

__all__ = ["spec_ref", "specs"]

_LONGEST_CHARACTERISTIC = 80
_LONGEST_UNIT = 20
_UPSIDE_DOWN = "the minimum is above the maximum"


def specs(calls: Calls) -> Listed[Spec]:
    return Listed(
        calls,
        Spec,
        fields=(
            FieldMap("material_id", "material"),
            FieldMap("characteristic", "characteristic"),
            FieldMap("unit", "unit"),
            FieldMap("lsl", "min_value", decode=_limit),
            FieldMap("usl", "max_value", decode=_limit),
            FieldMap("data_type", "counted", encode=_is_counted, decode=_data_type),
        ),
        assumed={"project": SHARED, "operation": "", "kind": CharacteristicKind.PRODUCT, "gauge": ""},
        path="/quality/specs",
        paged=True,
        row=_row,
        body=_body,
        ref=lambda spec: spec_ref(spec.material_id, spec.characteristic),
        sought=lambda ref: ref.rpartition("/")[2],
        accepts=_accepted,
    )


def spec_ref(material: str, characteristic: str) -> str:
    return f"{material}/{characteristic}"


def _row(entry: Entry) -> Row:
    ref = spec_ref(entry["material"], entry["characteristic"])
    values = {name: entry[name] for name in ("material", "characteristic", "unit", "min_value", "max_value")}
    low, high = entry["min_value"], entry["max_value"]
    if low is not None and high is not None and low > high:
        values |= {"min_value": _UPSIDE_DOWN, "max_value": _UPSIDE_DOWN}
    return Row(ref, ref, {**values, "counted": bool(entry["counted"])})


def _body(spec: Spec) -> Entry:
    named = {"material": spec.material_id, "characteristic": spec.characteristic, "unit": spec.unit}
    if _is_counted(spec.data_type):
        return {**named, "counted": True}
    return {**named, "min_value": spec.lsl, "max_value": spec.usl}


def _accepted(spec: Spec) -> bool:
    """A counted characteristic has no limits there."""
    limited = spec.lsl is not None or spec.usl is not None
    return (
        not (_is_counted(spec.data_type) and limited)
        and len(spec.characteristic) <= _LONGEST_CHARACTERISTIC
        and len(spec.unit) <= _LONGEST_UNIT
    )


def _limit(value: Any) -> float | None:  # noqa: ANN401 - any JSON
    """The MES takes limits that are upside down; nobody could be right by them, so the specification is left out."""
    return None if value is None else float(value)


def _is_counted(data_type: str) -> bool:
    return data_type == "attribute"


def _data_type(counted: bool) -> str:
    return "attribute" if counted else "variable"
