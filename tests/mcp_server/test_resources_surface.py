"""Resources over the SDK's own client: addresses, records, revisions, and what is said about an address without one."""

import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, TextResourceContents

from mcp_server.app import build_server
from mcp_server.backends.sql.tables import TABLES
from mcp_server.domain.records import Document, DocumentState, Sop
from mcp_server.errors import BackendUnavailable
from mcp_server.surface.kinds import KINDS
from mcp_server.surface.selection import Selection, select_tools
from mcp_server.tools import ALL_TOOLS
from tests.support.sample_plant import CLOCK, Failing, SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

NAMES = {tool.name for tool in ALL_TOOLS}
ADDRESSES = [kind.template for kind in KINDS]


def sop(sop_id: str, revision: int, **changes: Any) -> Sop:
    values = {
        "id": sop_id,
        "project": "ALPHA",
        "title": "Change the tool",
        "revision": revision,
        "state": DocumentState.DRAFT,
        "created_at": datetime(2026, 11, 1, 8, tzinfo=UTC),
        "created_by": "E101",
    }
    return Sop(**values | changes)


@asynccontextmanager
async def connected(
    directory: Path,
    *,
    selection: Selection | None = None,
    era: str = "auto",
    failures: Iterable[Exception] = (),
    documents: Iterable[Document] = (),
) -> AsyncGenerator[tuple[Client, SamplePlant]]:
    async with sample_plant(directory, wrap=lambda inner: Failing(inner, failures)) as plant:
        for document in documents:
            async with plant.backend.unit_of_work() as unit:
                await unit.insert(document)
        server = build_server(plant.backend, CLOCK, select_tools(ALL_TOOLS, selection or Selection()))
        async with Client(server, mode=era, raise_exceptions=True) as client:
            yield client, plant


async def content(client: Client, uri: str) -> dict[str, Any]:
    [found] = (await client.read_resource(uri)).contents
    assert isinstance(found, TextResourceContents)
    assert (found.uri, found.mime_type) == (uri, "application/json")
    return json.loads(found.text)


async def refusal(client: Client, uri: str) -> str:
    with pytest.raises(MCPError) as raised:
        await client.read_resource(uri)
    assert raised.value.code == INVALID_PARAMS
    assert raised.value.data == {"uri": uri}
    return raised.value.message


def test_every_address_is_read_by_a_tool_that_exists_and_kept_by_the_store():
    assert {kind.reader for kind in KINDS} <= NAMES
    assert {kind.record for kind in KINDS} <= set(TABLES)
    assert len({kind.segment for kind in KINDS}) == len({kind.record for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_hosts_of_both_eras_see_every_address(tmp_path: Path, era: str):
    async with connected(tmp_path, era=era) as (client, _):
        listed = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        assert [resource.uri for resource in listed] == ["plant://projects"]
        offered = {tool.name for tool in (await client.list_tools()).tools}
        toolsets = {tool.toolset for tool in ALL_TOOLS}
        expected = [kind.template for kind in KINDS if kind.reader in offered and kind.toolset in toolsets]
        assert [template.uri_template for template in templates] == expected
        assert all(template.title and template.description for template in templates)


async def test_a_record_is_what_the_tool_gives(tmp_path: Path):
    async with connected(tmp_path) as (client, plant):
        [machine] = (await plant.call("get_machines", {"project": "ALPHA", "ids": ["MC-101"]}))["items"]
        machine.pop("path")  # the tool's own addition
        assert await content(client, "plant://machines/MC-101") == machine
        [read] = (await client.read_resource("plant://machines/MC-101")).contents
        assert read.meta is not None
        assert read.meta["io.shopfloor/source"] == plant.backend.source
        assert read.meta["io.shopfloor/as-of"] == "2026-11-22T12:00:00+00:00"


async def test_the_projects_are_one_list(tmp_path: Path):
    async with connected(tmp_path) as (client, _):
        listed = await content(client, "plant://projects")
        assert ([item["id"] for item in listed["items"]], listed["total"]) == (["ALPHA", "BETA", "GAMMA"], 3)
        assert await content(client, "plant://projects/BETA") == listed["items"][1]


async def test_every_kind_gives_the_record_with_that_id(tmp_path: Path):
    async with connected(tmp_path) as (client, plant):
        read: list[str] = []
        for template in (await client.list_resource_templates()).resource_templates:
            [kind] = [kind for kind in KINDS if kind.template == template.uri_template]
            rows = plant.rows(f"SELECT id FROM {TABLES[kind.record].name} ORDER BY id LIMIT 1")
            for row in rows:
                uri = template.uri_template.replace("{id}", row["id"])
                assert (await content(client, uri))["id"] == row["id"]
                read.append(kind.segment)
        assert {"projects", "machines", "materials", "specs", "workstations", "gauges", "people"} <= set(read)


async def test_of_a_document_the_newest_revision_is_meant_or_the_one_that_is_named(tmp_path: Path):
    states = {9: DocumentState.SUPERSEDED, 10: DocumentState.RELEASED, 11: DocumentState.DRAFT}
    revisions = [sop("SOP-T-900", n, state=state, title=f"Text {n}") for n, state in states.items()]
    async with connected(tmp_path, documents=revisions) as (client, _):
        assert (await content(client, "plant://sops/SOP-T-900"))["revision"] == 11
        ninth = await content(client, "plant://sops/SOP-T-900@9")
        assert (ninth["revision"], ninth["title"]) == (9, "Text 9")
        assert await content(client, "plant://sops/SOP-T-900%409") == ninth
        missing = await refusal(client, "plant://sops/SOP-T-900@8")
        assert "There is no procedure 'SOP-T-900@8'. SOP-T-900 has revision 9, 10, 11." in missing
        close = await refusal(client, "plant://sops/SOP-T-90")
        assert close.count("SOP-T-900") == 1  # a document is one thing, however many revisions it has


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("plant://machines/MC-1O1", "Did you mean MC-101"),
        ("plant://machines/mc-101", "Did you mean MC-101"),
        ("plant://machines/" + "q" * 5_000, "get_machines lists them."),
        ("plant://machines/%00", "get_machines lists them."),
        ("plant://machines/%2E%2E%2Fprojects", "There is no machine '../projects'."),
        ("plant://machines/' OR 1=1 --", "There is no machine"),
        ("plant://machines/MC-101@1", "There is no machine 'MC-101@1'."),
        ("plant://machines", "Give an id: plant://machines/{id}."),
        ("plant://machines/", "Addresses are plant://projects/{id}"),
        ("plant://machines/MC-101/parts", "Addresses are"),
        ("plant://machines/MC-101?all=1", "Addresses are"),
        ("plant://robots/R-1", "Addresses are"),
        ("file:///etc/passwd", "Addresses are"),
        ("", "Addresses are"),
    ],
)
async def test_an_address_without_a_record_is_told_what_there_is(tmp_path: Path, uri: str, says: str):
    async with connected(tmp_path) as (client, _):
        message = await refusal(client, uri)
        assert says in message
        assert len(message) < 900


async def test_a_hidden_toolset_and_a_hidden_reader_hide_their_records(tmp_path: Path):
    selection = Selection(toolsets=("core", "issues"), exclude_tools=("get_machines",))
    async with connected(tmp_path, selection=selection) as (client, _):
        templates = {t.uri_template for t in (await client.list_resource_templates()).resource_templates}
        assert {"plant://materials/{id}", "plant://issues/{id}"} <= templates
        assert not {"plant://machines/{id}", "plant://quality-plans/{id}"} & templates
        assert "Addresses are" in await refusal(client, "plant://machines/MC-101")
        assert (await content(client, "plant://issues/ISS-0001"))["id"] == "ISS-0001"


async def test_what_only_get_record_reads_shows_with_its_own_toolset(tmp_path: Path):
    async with connected(tmp_path, selection=Selection(toolsets=("core",))) as (client, _):
        core = {t.uri_template for t in (await client.list_resource_templates()).resource_templates}
    async with connected(tmp_path, selection=Selection(toolsets=("core", "quality"))) as (client, _):
        both = {t.uri_template for t in (await client.list_resource_templates()).resource_templates}
    assert "plant://checklists/{id}" in both - core


async def test_without_the_projects_tool_there_is_no_list_of_them(tmp_path: Path):
    async with connected(tmp_path, selection=Selection(tools=("compute_sampling_plan",))) as (client, _):
        assert (await client.list_resources()).resources == []
        assert (await client.list_resource_templates()).resource_templates == []
        assert "Addresses are none." in await refusal(client, "plant://projects")


async def test_a_backend_that_fails_once_is_asked_again(tmp_path: Path):
    failure = BackendUnavailable("Busy.", suggestion="Try again.", retry_after_s=0.01)
    async with connected(tmp_path, failures=[failure]) as (client, _):
        assert (await content(client, "plant://machines/MC-101"))["id"] == "MC-101"


async def test_a_backend_that_keeps_failing_is_an_error_that_can_be_retried(tmp_path: Path):
    failures = [BackendUnavailable("Busy.", suggestion="Try again.", retry_after_s=0.01)] * 3
    async with connected(tmp_path, failures=failures) as (client, _):
        with pytest.raises(MCPError) as raised:
            await client.read_resource("plant://machines/MC-101")
    assert (raised.value.code, raised.value.message) == (INTERNAL_ERROR, "Busy.")
    assert (raised.value.data["code"], raised.value.data["retryable"]) == ("backend_unavailable", True)
