import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.described.kinds import RECORD_KINDS
from mcp_server.backends.described.loading import load_description
from mcp_server.domain.records import Document
from mcp_server.errors import ConfigurationError

WorkOrder = "records work_order"
Machine = "records machine"
Describe = Callable[..., Path]


def refusal_of(path: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_description(path)
    return str(refused.value)


def test_a_right_description_is_read(describe: Describe) -> None:
    described = load_description(describe())
    assert described.error == ("detail",)
    assert described.records["machine"].fields["name"].column == "label"
    assert described.records["work_order"].list.paging.style == "none"


WRONG: list[tuple[str, Any, str, str]] = [
    # the shape
    ("nmae", "Plant", "nmae", "no known key. Did you mean name?"),
    ("name", 7, "name", "must be a text"),
    ("base_url", "plant.example", "base_url", "not of the form"),
    ("base_url", "https://me:secret@plant.example", "base_url", "without credentials"),
    ("timeout_s", 0, "timeout_s", "greater than 0"),
    ("etag", "yes", "etag", "must be true or false"),
    ("empty", "none", "empty", "must be"),
    ("error", ["detail", 1], "error[1]", "must be a text"),
    ("error", "detail..msg", "error[0]", "no place in JSON"),
    ("idempotency_key", "Idempotency Key", "idempotency_key", "Header of a key"),
    ("records", {}, "records", "must not be empty"),
    (f"{Machine} pth", "/x", "records.machine.pth", "Did you mean path?"),
    (f"{Machine} path", "machines", "records.machine.path", "Where its records are"),
    (f"{Machine} list method", "PUT", "records.machine.list.method", "must be 'GET' or 'POST'"),
    (f"{Machine} list paging", {"style": "ofset"}, "records.machine.list.paging", "Known are none, offset, page"),
    (f"{Machine} list paging", {"size": 5}, "records.machine.list.paging", "has no style"),
    (
        f"{Machine} list paging",
        {"style": "offset", "start_name": "a"},
        "records.machine.list.paging.size_name",
        "is missing. It says: Parameter: how many to send",
    ),
    (
        f"{Machine} list paging",
        {"style": "page", "page_name": "p", "size": 0},
        "records.machine.list.paging.size",
        "greater than or equal to 1",
    ),
    (
        f"{Machine} list paging",
        {"style": "page", "page_nam": "p"},
        "records.machine.list.paging.page_nam",
        "Did you mean page_name",
    ),
    (f"{Machine} change method", "DELETE", "records.machine.change.method", "must be 'PUT', 'PATCH' or 'POST'"),
    (f"{Machine} change send", "some", "records.machine.change.send", "must be 'changed' or 'all'"),
    (f"{Machine} fields name", 5, "records.machine.fields.name", "must hold keys and values"),
    (f"{Machine} fields name", {"colum": "label"}, "records.machine.fields.name.colum", "Did you mean column?"),
    (f"{Machine} fields status form", "iso8601", "records.machine.fields.status.form", "must be 'text', 'number'"),
    (f"{Machine} id", {}, "records.machine.id", "exactly one of client and stamp"),
    (f"{Machine} id", {"client": "a", "stamp": "b"}, "records.machine.id", "exactly one of client and stamp"),
    # credentials
    ("auth value", "Bearer s3cr3t-0815", "auth.value", "must be made of placeholders"),
    ("auth value", "token 0815:{password}", "auth.value", "SHOPFLOOR_BACKEND_USER"),
    ("auth value", "Bearer {tokn}", "auth.value", "Did you mean token?"),
    ("auth value", "{user}", "auth.value", "must be made of placeholders"),
    ("headers", {"X-Api-Key": "0815"}, "headers.X-Api-Key", "describe it under auth"),
    ("headers", {"Cookie": "sid=1"}, "headers.Cookie", "never from the file"),
    ("headers", {"X-Plant": "{token}"}, "headers.X-Plant", "describe it under auth"),
    (
        "auth login",
        {"path": "/login", "body": {"user": "{user}", "password": "0815"}, "token": "token"},
        "auth.login.body.password",
        "must be a placeholder",
    ),
    (f"{Machine} list query", {"api_key": "0815"}, "records.machine.list.query.api_key", "describe it under auth"),
    (f"{WorkOrder} create constants", {"password": "x"}, "work_order.create.constants.password", "under auth"),
    (f"{Machine} list path", "/machines?api_key=0815", "records.machine.list.path", "not of the form"),
    (
        "auth login",
        {"path": "/login", "body": {"user": "{usr}"}, "token": "token"},
        "auth.login.body.user",
        "Did you mean user?",
    ),
    (
        "auth",
        {"value": "{basic}", "login": {"path": "/login", "body": {}, "token": "token"}},
        "auth.value",
        "must hold {token}",
    ),
    # kinds and fields
    ("records machines", {}, "records.machines.path", "It says: Where its records are"),
    (f"{Machine} fields nam", "label2", "records.machine.fields.nam", "no field of machine. Did you mean name"),
    (f"{Machine} fields id", "id", "records.machine.fields.id", "described under id"),
    (f"{WorkOrder} fields revision", "rev", "records.work_order.fields.revision", "counts our own changes"),
    (f"{Machine} tells", {"nam": "label2"}, "records.machine.tells.nam", "no field of machine. Did you mean name"),
    (f"{Machine} tells", {"name": "label2"}, "records.machine.tells.name", "stands under fields already"),
    (f"{WorkOrder} tells", {"due_on": {"column": "d", "form": "text"}}, "work_order.tells.due_on.form", "cannot be"),
    (f"{Machine} assumed projct", "A", "records.machine.assumed.projct", "Did you mean project?"),
    (f"{Machine} assumed", {}, "records.machine.fields", "lacks project, which a machine must have"),
    (f"{Machine} assumed criticality", "D", "records.machine.assumed.criticality", "no criticality of a machine"),
    (f"{WorkOrder} assumed created_at", "today", "records.work_order.assumed.created_at", "no created_at"),
    (f"{WorkOrder} takes", {"kind": "repair"}, "records.work_order.takes.kind", "no kind of a work order"),
    (f"{WorkOrder} takes", {"knd": "corrective"}, "records.work_order.takes.knd", "Did you mean kind"),
    (f"{Machine} fields make", "label", "records.machine.fields.make", "has the column label, which name has already"),
    (f"{Machine} fields make", "a..b", "records.machine.fields.make", "no place in JSON"),
    # how values are written
    (f"{Machine} fields name", {"column": "n", "form": "iso"}, "records.machine.fields.name.form", "can be number"),
    (f"{Machine} fields name", {"column": "n", "scale": 2}, "records.machine.fields.name.scale", "is for a number"),
    (f"{WorkOrder} fields duration_min scale", "0", "records.work_order.fields.duration_min.scale", "above 0"),
    (f"{WorkOrder} fields duration_min scale", "1/0", "records.work_order.fields.duration_min.scale", "above 0"),
    (f"{WorkOrder} fields start zone", "Europe", "records.work_order.fields.start.zone", "no IANA time zone"),
    (f"{WorkOrder} fields start zone", "Berlin", "records.work_order.fields.start.zone", "no IANA time zone"),
    (f"{WorkOrder} fields reason", {"column": "n", "zone": "UTC"}, "records.work_order.fields.reason.zone", "a time"),
    (f"{WorkOrder} fields reason", {"column": "n", "separator": ","}, "work_order.fields.reason.separator", "a list"),
    (f"{Machine} fields status values idl", "off", "records.machine.fields.status.values.idl", "Did you mean idle?"),
    (
        f"{Machine} fields status values",
        {"running": "on"},
        "records.machine.fields.status.values",
        "lacks idle, standby",
    ),
    (f"{Machine} fields status values idle", None, "fields.status.values.idle", "what an empty column shows"),
    (f"{Machine} fields name", "[0]", "records.machine.fields.name", "must begin with the name"),
    (f"{Machine} id client", "[0].code", "records.machine.id.client", "must begin with the name"),
    (f"{Machine} fields status reads", {"paused": "idl"}, "fields.status.reads.paused", "which values lacks"),
    (f"{Machine} fields status reads", {"off": "standby"}, "fields.status.reads.off", "written by values already"),
    (f"{Machine} fields name", {"column": "n", "reads": {"a": "b"}}, "fields.name.reads", "needs values beside it"),
    (
        f"{WorkOrder} fields duration_min",
        {"column": "hours", "values": {"60": 1}},
        "records.work_order.fields.duration_min.values",
        "is for a text or one of a fixed set",
    ),
    (f"{WorkOrder} fields reason", {"column": "n", "refers": "machin"}, "fields.reason.refers", "Did you mean machine"),
    (f"{WorkOrder} fields reason", {"column": "n", "refers": "person"}, "fields.reason.refers", "this file does not"),
    (f"{WorkOrder} fields loto", {"column": "n", "refers": "machine"}, "fields.loto.refers", "holds one id"),
    # our ids and the requests
    (f"{WorkOrder} id", {"stamp": "subjct"}, "records.work_order.id.stamp", "Did you mean subject?"),
    (f"{WorkOrder} id", {"stamp": "hours"}, "records.work_order.id.stamp", "plain column of a text"),
    (f"{Machine} id", {"client": "label"}, "records.machine.id.client", "also the column of name"),
    (f"{Machine} one path", "/machines/{code}", "records.machine.one.path", "Known: {id}, {ref}"),
    (f"{Machine} one path", "/machines/first", "records.machine.one", "Put {ref} into its path"),
    (f"{WorkOrder} one path", "/orders/{id}", "records.work_order.one.path", "Known: {ref}"),
    (f"{Machine} one body", {"a": 1}, "records.machine.one.body", "never sent with GET"),
    (f"{Machine} list body", {"a": 1}, "records.machine.list.body", "never sent with GET"),
    (f"{Machine} list path", "/machines/{ref}", "records.machine.list.path", "Write a fixed text"),
    (f"{Machine} list where", {"a..b": 1}, "records.machine.list.where.a..b", "no place in JSON"),
    (f"{Machine} list envelope", "items.[0", "records.machine.list.envelope", "no place in JSON"),
    (f"{WorkOrder} create path", "/orders/{id}", "records.work_order.create.path", "not known here"),
    (f"{WorkOrder} create constants hours", 1, "records.work_order.create.constants.hours", "is mapped already"),
    (f"{WorkOrder} change path", "/orders", "records.work_order.change", "names no record"),
    (f"{WorkOrder} change body", {"ids": "x {ref:number}"}, "records.work_order.change.body.ids", "alone"),
    (f"{WorkOrder} change fields", ["titel"], "records.work_order.change.fields", "Did you mean title?"),
]


@pytest.mark.parametrize(
    ("place", "value", "where", "words"), WRONG, ids=[f"{i}-{row[2]}" for i, row in enumerate(WRONG)]
)
def test_a_wrong_description_is_refused_with_place_line_and_remedy(
    describe: Describe, place: str, value: Any, where: str, words: str
) -> None:
    refusal = refusal_of(describe(place, value))
    [line] = [line for line in refusal.splitlines() if words in line]
    assert f"{where} (line " in line
    assert refusal.startswith("plant.yaml does not describe a system:\n")


def test_an_unknown_kind_of_record_is_refused_with_close_matches(describe: Describe) -> None:
    path = describe()
    path.write_text(path.read_text().replace("  work_order:\n", "  workorder:\n"))
    assert "records.workorder (line 52) is no kind of record. Did you mean work_order" in refusal_of(path)


def test_every_kind_but_documents_can_be_described() -> None:
    assert {"machine", "material", "spec", "issue", "work_order", "pm_task", "inspection_result"} <= RECORD_KINDS.keys()
    assert not any(issubclass(kind, Document) for kind in RECORD_KINDS.values())


def test_the_line_is_the_one_of_the_wrong_key(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: X\nbase_url: https://x.example\nrecords:\n  machine:\n    pth: /x\n    path: y\n")
    refusal = refusal_of(path)
    assert "records.machine.pth (line 5)" in refusal
    assert "records.machine.path (line 6)" in refusal
    assert "records.machine.fields (line 4) is missing" in refusal
    lines = [int(line) for line in re.findall(r"\(line (\d+)\)", refusal)]
    assert lines == sorted(lines), "from the top of the file to its end"


def test_of_many_problems_five_are_shown(describe: Describe) -> None:
    refusal = refusal_of(describe("records machine assumed", {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}))
    assert refusal.count("(line ") == 5
    assert "and 8 more." in refusal


def test_an_etag_needs_a_request_for_one_record(describe: Describe) -> None:
    path = describe("records machine one")
    path.write_text("etag: true\n" + path.read_text())
    assert "records.machine (line 9) lacks one: with etag" in refusal_of(path)


def test_a_kind_that_refers_to_one_that_refers_is_refused(describe: Describe) -> None:
    path = describe("records machine fields workstation", {"column": "ws", "refers": "work_order"})
    text = path.read_text().replace("column: machine.code", "column: machine.code\n        refers: machine")
    path.write_text(text)
    assert "one step too many" in refusal_of(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "plant.yaml does not describe a system:\n  the file (line 1) must hold keys and values"),
        ("- a\n", "the file (line 1) must hold keys and values"),
        ("name: [a\n", "plant.yaml: line 2"),
        ("name: a\nname: b\n", "line 2: the key name stands twice"),
        ("headers:\n  a: x\n  a: y\n", "line 3: the key headers.a stands twice"),
        ("a: &x [1]\nb: *x\n", "line 2: an alias (*) is not read here"),
        ("? [a]\n: b\n", "line 1: a key must be a word"),
        ("name: !!python/object:os.system x\n", "line 1: could not determine a constructor"),
        ("name: \x00\n", "a character that YAML does not allow"),
        (f"name: {'x' * 600_000}\n", "A description has at most 524288"),
    ],
    ids=["empty", "list", "open", "twice", "twice-below", "alias", "key", "tag", "null-byte", "large"],
)
def test_what_is_no_plain_yaml_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plant.yaml"
    path.write_text(text)
    assert words in refusal_of(path)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal_of(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in refusal_of(tmp_path / "binary.yaml")
    (tmp_path / "deep.yaml").write_text("[" * 3000 + "]" * 3000)
    assert "nested too deeply" in refusal_of(tmp_path / "deep.yaml")


def test_words_that_older_yaml_takes_for_something_else_stay_words(describe: Describe) -> None:
    path = describe()
    path.write_text(path.read_text().replace("'off'", "Off").replace("'on'", "On").replace("OP10", "06:30"))
    described = load_description(path).records["machine"]
    assert described.fields["status"].values is not None
    assert described.fields["status"].values["idle"] == "Off"
    assert described.assumed["workstation"] == "06:30"


def test_no_refusal_repeats_a_credential(describe: Describe) -> None:
    for place, value in (("auth value", "Bearer hunter2-0815"), ("headers", {"X-Token": "hunter2-0815"})):
        assert "hunter2" not in refusal_of(describe(place, value))
    assert "hunter2" not in refusal_of(describe("base_url", "https://me:hunter2@plant.example"))


def test_a_description_is_frozen_and_survives_json(describe: Describe) -> None:
    described = load_description(describe())
    again = type(described).model_validate_json(json.dumps(described.model_dump(mode="json")))
    assert again == described
