import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from orchestrator_client.errors import (
    ConfigurationError,
    OutcomeUnknown,
    ToolCallError,
    ToolResultInvalid,
    ToolServerUnavailable,
)
from orchestrator_client.tools import link
from orchestrator_client.tools.connection import RawToolResult, Target, ToolConnection, default_target, parse_target
from tests.support.plants import Plant, at_port, faulty_wire, free_port, gate, kill

pytestmark = pytest.mark.anyio

LIMIT_S = 30.0


async def pid_of(connection: ToolConnection) -> int:
    found = await connection.call("process_id", {})
    assert found.structured is not None
    return found.structured["tries"]


async def fails(connection: ToolConnection, name: str, **arguments: object) -> ToolCallError:
    with pytest.raises(ToolCallError) as caught:
        await connection.call(name, arguments)
    return caught.value


async def test_the_list_of_tools_has_every_page_and_is_remembered(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            tools = await connection.list_tools()
            again = await connection.list_tools()
            fresh = await connection.list_tools(refresh=True)
    assert {"get_machines", "log_issue", "unannotated"} <= {tool.name for tool in tools}
    assert len(tools) == 11
    assert again is tools
    assert fresh == tools
    assert fresh is not tools


async def test_annotations_are_read_the_cautious_way(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            tools = {tool.name: tool for tool in await connection.list_tools()}
    read, write, bare = tools["get_machines"], tools["log_issue"], tools["unannotated"]
    assert (read.title, read.read_only, read.destructive, read.idempotent) == ("List machines", True, False, True)
    assert (write.read_only, write.destructive, write.idempotent) == (False, False, True)
    assert (bare.read_only, bare.destructive, bare.idempotent) == (False, True, False)


async def test_the_server_is_called_by_its_own_name_once_it_has_answered(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            before = connection.server_name
            await connection.list_tools()
            assert (before, connection.server_name) == (sys.executable, "plant")


async def test_a_result_carries_text_and_structure(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            found = await connection.call("get_machines", {"limit": 1})
            refused = await connection.call("complain", {})
    assert found.structured == {"machine_ids": ["X-0"]}
    assert not found.is_error
    assert refused == RawToolResult(
        "Error executing tool complain: The tank is empty.", is_error=True, meta=refused.meta
    )


async def test_a_child_killed_between_calls_is_replaced_unnoticed(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            first = await pid_of(connection)
            await kill(first)
            assert await pid_of(connection) != first


async def test_a_child_killed_in_a_call_leaves_an_unknown_outcome_and_the_next_call_works(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with gate() as (port, calls), ToolConnection(plant.target) as connection:
            pid = await pid_of(connection)
            async with anyio.create_task_group() as tasks:
                errors: list[ToolCallError] = []

                async def held() -> None:
                    errors.append(await fails(connection, "hold", port=port))

                tasks.start_soon(held)
                tasks.start_soon(held)
                await calls.receive()
                await calls.receive()
                await kill(pid)
            assert [type(error) for error in errors] == [OutcomeUnknown, OutcomeUnknown]
            assert await pid_of(connection) != pid


async def test_calls_at_the_same_time_share_one_child(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with gate() as (port, calls), ToolConnection(plant.target) as connection:
            pids: set[int] = set()

            async def ask() -> None:
                pids.add(await pid_of(connection))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(connection.call, "hold", {"port": port})
                for _ in range(20):
                    tasks.start_soon(ask)
                held = await calls.receive()
                await held.send(b".")
            assert len(pids) == 1


async def test_cancelling_a_caller_ends_its_call_and_no_other(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with gate() as (port, calls), ToolConnection(plant.target) as connection:
            results: list[RawToolResult] = []

            async def held() -> None:
                results.append(await connection.call("hold", {"port": port}))

            async with anyio.create_task_group() as staying:
                staying.start_soon(held)
                kept = await calls.receive()
                async with anyio.create_task_group() as leaving:
                    leaving.start_soon(held)
                    dropped = await calls.receive()
                    leaving.cancel_scope.cancel()
                with pytest.raises(anyio.EndOfStream):
                    await dropped.receive()
                await kept.send(b".")
            assert [result.structured for result in results] == [{"machine_ids": ["held"]}]
            assert plant.lines("held") == ["started", "started", "cancelled"]


async def test_a_slow_call_ends_at_its_deadline_and_keeps_the_child(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with gate() as (port, _), ToolConnection(plant.target) as connection:
            pid = await pid_of(connection)
            with pytest.raises(OutcomeUnknown):
                await connection.call("hold", {"port": port}, timeout_s=0.3)
            assert await pid_of(connection) == pid


async def test_a_child_that_has_gone_deaf_is_replaced(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_PROBE_S", 0.2)
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            pid = await pid_of(connection)
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(OutcomeUnknown):
                await connection.call("process_id", {}, timeout_s=0.2)
            assert await pid_of(connection) != pid
            with pytest.raises(ProcessLookupError):  # never two children on one database
                os.kill(pid, 0)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("no-such-program-here",), "No such file"),
        ((sys.executable, "-c", "import sys; sys.stderr.write('why it ended')"), "did not answer"),
        ((sys.executable, "-c", "import sys; sys.stdin.read()"), "in time"),
    ],
)
async def test_a_server_that_does_not_start_is_unavailable(
    command: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    with anyio.fail_after(LIMIT_S), (tmp_path / "log").open("w") as log:
        async with ToolConnection(Target(command=command), connect_timeout_s=1.0, errlog=log) as connection:
            with pytest.raises(ToolServerUnavailable, match=reason):
                await connection.list_tools()


async def test_what_a_child_logs_goes_to_the_given_file(tmp_path: Path) -> None:
    target = Target(command=(sys.executable, "-c", "import sys; sys.stderr.write('why it ended')"))
    with anyio.fail_after(LIMIT_S), (tmp_path / "log").open("w") as log:
        async with ToolConnection(target, errlog=log) as connection:
            assert isinstance(await fails(connection, "get_machines"), ToolServerUnavailable)
    assert (tmp_path / "log").read_text() == "why it ended"


async def test_connecting_counts_into_the_deadline_of_a_call() -> None:
    target = Target(command=(sys.executable, "-c", "import sys; sys.stdin.read()"))
    with anyio.fail_after(4):  # closing does not wait for what is still connecting
        async with ToolConnection(target) as connection:
            with pytest.raises(ToolServerUnavailable, match="not ready"):
                await connection.call("get_machines", {}, timeout_s=0.2)


async def test_a_closed_connection_says_so(plant: Plant) -> None:
    async with ToolConnection(plant.target) as connection:
        pass
    with pytest.raises(ToolServerUnavailable, match="closed"):
        await connection.call("get_machines", {})


async def test_an_error_of_the_owner_stays_what_it_is(plant: Plant) -> None:
    async def break_inside() -> None:
        async with ToolConnection(plant.target) as connection:
            await connection.list_tools()
            raise KeyError

    with anyio.fail_after(LIMIT_S), pytest.raises(KeyError):
        await break_inside()


async def test_an_answer_outside_its_schema_is_invalid_and_not_repeated_in_the_message(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            error = await fails(connection, "lying_read")
    assert isinstance(error, ToolResultInvalid)
    assert error.message == "The tool's answer cannot be used: tries must be of type integer."


async def test_a_call_refused_by_the_protocol_was_not_executed_and_is_not_to_be_repeated(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(plant.target) as connection:
            error = await fails(connection, "absent")
    assert type(error) is ToolCallError
    assert "Unknown tool: absent" in error.message


async def test_an_http_server_restarted_between_calls_works_again(plant: Plant) -> None:
    port = free_port()
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(at_port(port)) as connection:
            async with plant.over_http(port):
                first = await pid_of(connection)
            assert isinstance(await fails(connection, "process_id"), ToolServerUnavailable)
            async with plant.over_http(port):
                assert await pid_of(connection) != first


async def test_a_forgotten_session_costs_one_call_that_was_not_executed(plant: Plant) -> None:
    port = free_port()
    with anyio.fail_after(LIMIT_S):
        async with ToolConnection(at_port(port)) as connection:
            async with plant.over_http(port, legacy=True):
                first = await pid_of(connection)
            async with plant.over_http(port, legacy=True):
                error = await fails(connection, "log_issue", note="n")
                assert type(error) is ToolServerUnavailable
                assert await pid_of(connection) != first
    assert plant.effects == []


async def test_an_http_server_killed_in_a_call_leaves_an_unknown_outcome(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with (
            gate() as (port, calls),
            plant.over_http() as http_port,
            ToolConnection(at_port(http_port)) as connection,
        ):
            pid = await pid_of(connection)
            errors: list[ToolCallError] = []

            async def held() -> None:
                errors.append(await fails(connection, "hold", port=port))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(held)
                await calls.receive()
                await kill(pid)
    assert [type(error) for error in errors] == [OutcomeUnknown]


async def test_a_result_of_two_megabytes_passes_over_an_event_stream(plant: Plant) -> None:
    with anyio.fail_after(LIMIT_S):
        async with plant.over_http(legacy=True) as port, ToolConnection(at_port(port)) as connection:
            found = await connection.call("unannotated", {})
    assert len(found.text) == 2_000_000


BROKEN_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
PAGE = "HTTP/1.1 {}\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", OutcomeUnknown),
        (BROKEN_JSON, OutcomeUnknown),
        (PAGE.format("502 Bad Gateway").encode(), OutcomeUnknown),
        (PAGE.format("503 Service Unavailable").encode(), OutcomeUnknown),
        (PAGE.format("503 Service Unavailable\r\nretry-after: 7").encode(), ToolServerUnavailable),
        (PAGE.format("429 Too Many Requests\r\nretry-after: 7").encode(), ToolServerUnavailable),
        (PAGE.format("429 Too Many Requests\r\nretry-after: soon").encode(), ToolServerUnavailable),
        (PAGE.format("401 Unauthorized").encode(), ToolCallError),
    ],
)
async def test_one_request_that_fails_on_the_wire_takes_no_other_with_it(
    plant: Plant, answer: bytes, kind: type[ToolCallError]
) -> None:
    with anyio.fail_after(LIMIT_S):
        async with (
            gate() as (port, calls),
            plant.over_http() as http_port,
            faulty_wire(http_port, word=b'"complain"', answer=answer) as wire,
            ToolConnection(at_port(wire)) as connection,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(connection.call, "hold", {"port": port})
            held = await calls.receive()
            error = await fails(connection, "complain")
            await held.send(b".")
    assert type(error) is kind
    if error.retry_after_s is not None:
        assert error.retry_after_s == 7


def test_a_url_and_a_command_line_are_told_apart() -> None:
    assert parse_target(" https://plant.example/mcp ") == Target(url="https://plant.example/mcp")
    assert parse_target("python -m server --name 'line one'") == Target(
        command=("python", "-m", "server", "--name", "line one")
    )


@pytest.mark.parametrize("text", ["", "   ", "http://", "http://:80/mcp", "http://host:99999/mcp", "run 'it"])
def test_a_target_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_target(text)


def test_the_label_of_a_target_has_no_secret() -> None:
    assert parse_target("https://me:secret@plant.example/mcp?token=secret").label == "https://plant.example/mcp"
    assert parse_target("server --token secret").label == "server"
    assert "secret" not in repr(parse_target("http://plant.example/mcp", headers={"authorization": "secret"}))


def test_the_default_server_is_ours_run_by_this_python() -> None:
    assert default_target(["--read-only"]).command == (sys.executable, "-m", "mcp_server", "serve", "--read-only")
