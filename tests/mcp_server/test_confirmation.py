"""A write that needs a person's word, over the SDK's own client, in both eras, in memory and through our stdio."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    ClientCapabilities,
    ElicitationCapability,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    InputRequiredResult,
    UrlElicitationCapability,
)
from pydantic import Field

from mcp_server.app import ShopfloorServer
from mcp_server.domain.records import EquipmentNode, Record
from mcp_server.errors import ConfirmationRequired
from mcp_server.pipeline.declaration import Effect, Tool, WriteCall, WriteRequest, WriteResult, tool
from mcp_server.surface.confirmation import MOST_QUESTIONS
from tests.support.sample_plant import CLOCK, SamplePlant, sample_plant
from tests.support.stdio_host import Host, Message, legacy, modern, served

pytestmark = pytest.mark.anyio

ERAS = ["auto", "legacy"]
YES = ElicitResult(action="accept", content={"confirm": True})

Elicitation = Callable[[ClientRequestContext, ElicitRequestParams], Awaitable[ElicitResult]]


class OpenGate(WriteRequest):
    gate: Annotated[str, Field(max_length=20, description="Gate")]
    confirmation: Annotated[str | None, Field(max_length=40, description="Code of a confirmation")] = None


class Opened(WriteResult):
    record: EquipmentNode

    @property
    def stored(self) -> Record:
        return self.record


def gate_tool(codes: list[str]) -> Tool[Any, Any, Any]:
    """A tool that wants the last of `codes`: each that is brought before was overtaken while the person thought."""

    @tool(toolset="core", effect=Effect.CREATE, request=OpenGate, result=Opened)
    async def open_gate(request: OpenGate, call: WriteCall) -> Opened:
        """Open a gate of the plant, which a person confirms."""
        if request.confirmation == codes[0] and len(codes) > 1:
            del codes[0]
        if request.confirmation != codes[0]:
            raise ConfirmationRequired(
                f"Gate {request.gate} will be opened to everyone.", field="confirmation", alternatives=[codes[0]]
            )
        node = EquipmentNode(id=request.gate, name="Gate", level="area")
        await call.unit.insert(node)
        return Opened(status="created", record=node)

    return open_gate


@dataclass
class Person:
    """Gives the answers one after another, and remembers what was asked."""

    answers: list[ElicitResult]
    asked: list[ElicitRequestFormParams] = field(default_factory=list[ElicitRequestFormParams])

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        assert isinstance(params, ElicitRequestFormParams)
        self.asked.append(params)
        return self.answers.pop(0)


@asynccontextmanager
async def connected(
    directory: Path, era: str, person: Elicitation | None, *, codes: tuple[str, ...] = ("4711",)
) -> AsyncGenerator[tuple[Client, SamplePlant]]:
    async with sample_plant(directory) as plant:
        server = ShopfloorServer([gate_tool([*codes])], plant.backend, CLOCK)
        async with Client(server, mode=era, elicitation_callback=person, raise_exceptions=True) as client:
            yield client, plant


def content(result: CallToolResult) -> dict[str, Any]:
    assert result.structured_content is not None
    return result.structured_content


def gates(plant: SamplePlant) -> list[str]:
    return [row["id"] for row in plant.rows("SELECT id FROM equipment WHERE name = 'Gate'")]


OPEN = {"project": "ALPHA", "gate": "G-1"}


@pytest.mark.parametrize("era", ERAS)
async def test_a_person_is_asked_what_will_happen_and_their_yes_does_it(tmp_path: Path, era: str):
    person = Person([YES])
    async with connected(tmp_path, era, person) as (client, plant):
        result = await client.call_tool("open_gate", OPEN)
        assert (result.is_error, content(result)["status"]) == (False, "created")
        assert gates(plant) == ["G-1"]
    [question] = person.asked
    assert question.message == "Gate G-1 will be opened to everyone."
    assert question.requested_schema["properties"]["confirm"]["type"] == "boolean"
    assert question.requested_schema["required"] == ["confirm"]


NOES = {
    "declined": ElicitResult(action="decline"),
    "cancelled": ElicitResult(action="cancel"),
    "a yes that was taken back": ElicitResult(action="decline", content={"confirm": True}),
    "false": ElicitResult(action="accept", content={"confirm": False, "reason": "Shift change first."}),
    "nothing": ElicitResult(action="accept"),
    "another field": ElicitResult(action="accept", content={"confirmed": True}),
    "text": ElicitResult(action="accept", content={"confirm": "true"}),
    "number": ElicitResult(action="accept", content={"confirm": 1}),
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("answer", NOES.values(), ids=NOES)
async def test_anything_but_a_yes_stores_nothing(tmp_path: Path, era: str, answer: ElicitResult):
    async with connected(tmp_path, era, Person([answer])) as (client, plant):
        result = await client.call_tool("open_gate", OPEN)
        error = content(result)["error"]
        assert (result.is_error, error["code"], error["field"]) == (True, "declined", "confirmation")
        assert (error["retryable"], error["outcome_known"]) == (False, True)
        assert "4711" not in json.dumps(error)
        assert gates(plant) == []


@pytest.mark.parametrize("era", ERAS)
async def test_the_reason_of_a_no_reaches_the_model(tmp_path: Path, era: str):
    async with connected(tmp_path, era, Person([NOES["false"]])) as (client, _):
        error = content(await client.call_tool("open_gate", OPEN))["error"]
    assert error["message"].endswith("Their reason: Shift change first.")


@pytest.mark.parametrize("era", ERAS)
async def test_a_host_that_cannot_ask_confirms_in_two_steps(tmp_path: Path, era: str):
    async with connected(tmp_path, era, None) as (client, plant):
        first = await client.call_tool("open_gate", OPEN)
        error = content(first)["error"]
        assert (first.is_error, error["code"], error["alternatives"]) == (True, "confirmation_required", ["4711"])
        assert gates(plant) == []
        second = await client.call_tool("open_gate", OPEN | {"confirmation": error["alternatives"][0]})
        assert not second.is_error
        assert gates(plant) == ["G-1"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_code_of_the_model_counts_for_nothing_where_a_person_can_be_asked(tmp_path: Path, era: str):
    person = Person([ElicitResult(action="decline")])
    async with connected(tmp_path, era, person) as (client, plant):
        result = await client.call_tool("open_gate", OPEN | {"confirmation": "4711"})
        assert content(result)["error"]["code"] == "declined"
        assert len(person.asked) == 1
        assert gates(plant) == []


@pytest.mark.parametrize("era", ERAS)
async def test_what_changed_while_a_person_thought_is_asked_again(tmp_path: Path, era: str):
    person = Person([YES, YES])
    async with connected(tmp_path, era, person, codes=("old", "new")) as (client, plant):
        assert not (await client.call_tool("open_gate", OPEN)).is_error
        assert len(person.asked) == 2
        assert gates(plant) == ["G-1"]


async def test_a_question_that_never_holds_still_is_given_up(tmp_path: Path):
    person = Person([YES] * 20)
    async with connected(tmp_path, "legacy", person, codes=tuple(map(str, range(50)))) as (client, plant):
        error = content(await client.call_tool("open_gate", OPEN))["error"]
        assert error["code"] == "confirmation_required"
        assert len(person.asked) == MOST_QUESTIONS
        assert gates(plant) == []


@pytest.mark.parametrize("era", ERAS)
async def test_other_refusals_and_a_call_without_a_question_are_as_ever(tmp_path: Path, era: str):
    person = Person([])
    async with connected(tmp_path, era, person) as (client, _):
        error = content(await client.call_tool("open_gate", {"project": "ALPHA"}))["error"]
    assert (error["code"], error["field"], person.asked) == ("validation", "gate", [])


async def test_an_answer_holds_only_for_the_call_that_was_asked_about(tmp_path: Path):
    async with connected(tmp_path, "auto", Person([])) as (client, plant):
        asked = await client.session.call_tool("open_gate", OPEN, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        assert asked.request_state is not None
        assert "4711" not in asked.model_dump_json()
        answers: Any = {"confirmation": YES}
        with pytest.raises(MCPError) as raised:
            await client.session.call_tool(
                "open_gate", OPEN | {"gate": "G-2"}, input_responses=answers, request_state=asked.request_state
            )
        assert raised.value.code == INVALID_PARAMS
        with pytest.raises(MCPError):
            await client.session.call_tool("open_gate", OPEN, input_responses=answers, request_state="v1.forged")
        unasked = await client.session.call_tool("open_gate", OPEN, input_responses=answers, allow_input_required=True)
        assert isinstance(unasked, InputRequiredResult)  # an answer to no question of ours: it is asked
        assert gates(plant) == []
        done = await client.session.call_tool(
            "open_gate", OPEN, input_responses=answers, request_state=asked.request_state
        )
        assert not done.is_error
        assert gates(plant) == ["G-1"]


FORM = {"elicitation": {}}
URL_ONLY = ClientCapabilities(elicitation=ElicitationCapability(url=UrlElicitationCapability()))


@asynccontextmanager
async def piped(directory: Path) -> AsyncGenerator[tuple[Host, SamplePlant]]:
    async with (
        sample_plant(directory) as plant,
        served(ShopfloorServer([gate_tool(["4711"])], plant.backend, CLOCK)) as host,
    ):
        yield host, plant


def modern_call(request_id: int, capabilities: dict[str, Any], **params: Any) -> Message:
    message = modern(request_id, "tools/call", name="open_gate", arguments=OPEN, **params)
    meta = message["params"]["_meta"] | {"io.modelcontextprotocol/clientCapabilities": capabilities}
    return message | {"params": message["params"] | {"_meta": meta}}


async def shake_hands(host: Host, capabilities: dict[str, Any]) -> None:
    info = {"name": "host", "version": "1"}
    await host.ask(legacy(0, "initialize", protocolVersion="2025-11-25", capabilities=capabilities, clientInfo=info))
    await host.send({"jsonrpc": "2.0", "method": "notifications/initialized"})


async def test_on_our_pipe_an_older_host_is_asked_while_the_call_waits(tmp_path: Path):
    async with piped(tmp_path) as (host, plant):
        await shake_hands(host, FORM)
        question = await host.ask(legacy(1, "tools/call", name="open_gate", arguments=OPEN))
        assert question["method"] == "elicitation/create"
        listed = await host.ask(legacy(2, "tools/list"))  # nothing else waits for the person
        assert listed["id"] == 2
        assert gates(plant) == []
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": YES.model_dump(mode="json", exclude_none=True)}
        done = await host.ask(answer)
        assert (done["id"], done["result"]["structuredContent"]["status"]) == (1, "created")
        assert gates(plant) == ["G-1"]


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": -32603, "message": "no window"}},
        {"result": {"action": "perhaps"}},
        {"result": {"action": "accept", "content": {"confirm": {"really": True}}}},
    ],
    ids=["error", "no such action", "no form"],
)
async def test_on_our_pipe_a_host_that_fails_to_ask_has_not_asked(tmp_path: Path, answer: dict[str, Any]):
    async with piped(tmp_path) as (host, plant):
        await shake_hands(host, FORM)
        question = await host.ask(legacy(1, "tools/call", name="open_gate", arguments=OPEN))
        done = await host.ask({"jsonrpc": "2.0", "id": question["id"]} | answer)
        error = done["result"]["structuredContent"]["error"]
        assert (done["id"], error["code"], gates(plant)) == (1, "declined", [])
        assert "could not ask" in error["message"]


async def test_on_our_pipe_a_newer_host_brings_the_answer_with_the_call(tmp_path: Path):
    async with piped(tmp_path) as (host, plant):
        asked = (await host.ask(modern_call(1, FORM)))["result"]
        assert (asked["resultType"], list(asked["inputRequests"])) == ("input_required", ["confirmation"])
        assert asked["inputRequests"]["confirmation"]["method"] == "elicitation/create"
        answers = {"confirmation": YES.model_dump(mode="json", exclude_none=True)}
        retry = modern_call(2, FORM, inputResponses=answers, requestState=asked["requestState"])
        done = (await host.ask(retry))["result"]
        assert done["structuredContent"]["status"] == "created"
        assert gates(plant) == ["G-1"]


@pytest.mark.parametrize(
    "capabilities", [{}, URL_ONLY.model_dump(mode="json", by_alias=True, exclude_none=True)], ids=["none", "url only"]
)
async def test_a_host_without_forms_is_not_asked(tmp_path: Path, capabilities: dict[str, Any]):
    async with piped(tmp_path) as (host, _):
        newer = (await host.ask(modern_call(1, capabilities)))["result"]
        await shake_hands(host, capabilities)
        older = (await host.ask(legacy(2, "tools/call", name="open_gate", arguments=OPEN)))["result"]
    for result in (newer, older):
        assert result["structuredContent"]["error"]["code"] == "confirmation_required"
