from typing import Any

import pytest
import respx

from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.backends.remote.port import Collection, Row, holding
from mcp_server.backends.tryton import TrytonSystem
from mcp_server.domain.records import Issue, Machine, Material, Record, Spec
from mcp_server.errors import (
    AnswerLost,
    Conflict,
    NotAllowed,
    NotFound,
    RuleViolated,
    ToolFailure,
)
from tests.mcp_server.backends.tryton.conftest import BASE, Replay, recorded, response
from tests.support.tryton_records import issue, machine, material, spec

pytestmark = pytest.mark.anyio
FILES: tuple[tuple[type[Record], str], ...] = (
    (Machine, "machines"),
    (Material, "materials"),
    (Spec, "specs"),
    (Issue, "issues"),
)
MADE: tuple[tuple[Record, str], ...] = (
    (machine(), "machines"),
    (material(), "materials"),
    (spec(), "specs"),
    (issue(), "issues"),
)


async def listed(collection: Collection[Any]) -> list[Row]:
    return [row async for page in collection.pages() for row in page]


@pytest.mark.parametrize(("kind", "file"), FILES)
async def test_an_empty_collection_has_no_records(
    system: TrytonSystem, replay: Replay, kind: type[Record], file: str
) -> None:
    replay(file, "none")
    assert await listed(system.collections[kind]) == []


@pytest.mark.parametrize(("record", "file"), MADE)
async def test_one_record_is_found_as_it_was_made(
    system: TrytonSystem, replay: Replay, record: Record, file: str
) -> None:
    replay(file, "found")
    collection = system.collections[type(record)]
    row = await collection.one(record.key, None)
    assert row is not None
    assert row.key == record.id
    assert held_differently(collection, row, record) == ()
    assert merged(collection, row, record) is record


@pytest.mark.parametrize(("record", "file"), MADE)
async def test_a_record_that_the_companion_store_does_not_know_is_whole(
    system: TrytonSystem, replay: Replay, record: Record, file: str
) -> None:
    replay(file, "found")
    collection = system.collections[type(record)]
    row = await collection.one(record.key, None)
    assert row is not None
    found = merged(collection, row, None)
    assert held_differently(collection, row, found) == ()
    assert found.id == record.id


async def test_a_record_that_is_not_there_is_none(system: TrytonSystem, replay: Replay) -> None:
    replay("machines", "absent")
    assert await system.collections[Machine].one("MC-103", None) is None


async def test_a_record_that_was_made_in_tryton_is_found_by_its_number(system: TrytonSystem, replay: Replay) -> None:
    replay("machines", "made in Tryton")
    row = await system.collections[Machine].one("CENTER-3", None)
    assert row is not None
    assert (row.key, row.values["name"]) == ("CENTER-3", "Lathe")


async def test_a_record_whose_mark_was_taken_out_is_found_by_what_it_was_called(
    system: TrytonSystem, replay: Replay
) -> None:
    replay("machines", "absent", exchanges=[recorded("machines", "made in Tryton")[1]])
    row = await system.collections[Machine].one("MC-103", "production.work.center,3")
    assert row is not None
    assert row.ref == "production.work.center,3"


async def test_a_record_that_is_marked_as_another_one_is_not_taken_for_ours(
    system: TrytonSystem, replay: Replay
) -> None:
    first, second = recorded("machines", "absent")[0], recorded("machines", "made in Tryton")[1]
    second["answer"]["json"][0]["name"] = "[MC-555] Lathe"
    replay("machines", exchanges=[first, second])
    assert await system.collections[Machine].one("MC-103", "production.work.center,3") is None


async def test_two_records_with_one_mark_are_both_named(system: TrytonSystem, replay: Replay) -> None:
    replay("machines", "double")
    with pytest.raises(Conflict, match=r"production\.work\.center,1, production\.work\.center,4"):
        await system.collections[Machine].one("MC-103", "production.work.center,1")


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (("machines", "refused"), RuleViolated),
        (("refusals", "400"), RuleViolated),
        (("refusals", "401"), NotAllowed),
        (("refusals", "no such record to change"), NotFound),
        (("refusals", "unknown model"), AnswerLost),
    ],
)
async def test_a_refused_machine_is_a_failure_by_who_must_act(
    system: TrytonSystem, tryton: respx.MockRouter, answer: tuple[str, str], failure: type[ToolFailure]
) -> None:
    tryton.post(f"{BASE}/production.work.center").mock(response(recorded(*answer)[0]["answer"]))
    with pytest.raises(ToolFailure) as caught:
        await system.collections[Machine].create(machine(), "key")
    assert type(caught.value) is failure
    assert "<" not in caught.value.message


@pytest.mark.parametrize("name", ["two\nlines", "a\ttab"])
async def test_a_name_that_tryton_refuses_stays_in_the_companion_store(system: TrytonSystem, name: str) -> None:
    machines = system.collections[Machine]
    assert machines.takes(machine())
    assert not machines.takes(machine(name=name))
    with pytest.raises(RuleViolated) as caught:
        await machines.create(machine(name=name), "key")
    assert caught.value.field == "name"


async def test_what_it_promises_to_change_it_holds(system: TrytonSystem) -> None:
    for collection in system.collections.values():
        held = holding(collection)
        assert held.creates
        assert held.changes <= held.fields
        required = {name for name, field in collection.kind.model_fields.items() if field.is_required()}
        assert required - {"id"} - held.fields - collection.assumed.keys() <= {
            "detected_at", "opened_at", "acknowledge_due_at", "contain_due_at", "root_cause_due_at", "close_due_at",
        }  # fmt: skip
