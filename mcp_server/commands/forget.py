"""`shopfloor-mcp backend forget`: gives up a write that never arrived in the system of record."""

from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from mcp_server.errors import ConfigurationError, InvalidInput, ToolFailure
from mcp_server.invocation import FAILED, AsJson, BackendOption, DataDir, ask, run, settings_from, wrong_usage
from mcp_server.terminal import remark, show_json, show_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp_server.backends.remote.federation import FederatedBackend
    from mcp_server.commands.check_report import OpenWrite
    from mcp_server.settings import Settings

__all__ = ["forget"]


def forget(
    *,
    record_id: Annotated[
        str, typer.Argument(metavar="RECORD-ID", help="The record that was to be written, as `backend check` shows it.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    backend: BackendOption = None,
    data_dir: DataDir = None,
) -> None:
    """Give up a write whose answer was lost and whose record never arrived.

    The record is looked up in the system first. If it is there, nothing is given up:
    the same call, repeated, ends the write. Otherwise the write is forgotten, with a
    row in the audit log, and the same call sends it anew.
    Exit code 0: forgotten. 1: refused. 2: the settings are wrong.
    """
    settings = settings_from(backend=backend, data_dir=data_dir)
    _check(settings)

    async def look(federated: "FederatedBackend") -> "list[OpenWrite]":
        from mcp_server.commands.open_writes import writes_to_forget

        return await writes_to_forget(federated, record_id)

    async def give_up(federated: "FederatedBackend") -> "list[OpenWrite]":
        from mcp_server.clock import Clock
        from mcp_server.commands.open_writes import forgotten

        return await forgotten(federated, record_id, Clock(None).now())

    if not yes:
        remark(f"Looking for {record_id} in the system …")
        for write in _done(settings, look, as_json=as_json):
            remark(f"Not there: {_named(write)}. If it arrives later after all, it is in the system without this call.")
        ask("Forget it?")
    writes = _done(settings, give_up, as_json=as_json)
    if as_json:
        show_json({"forgotten": True, "writes": [_as_json(write) for write in writes]})
    else:
        for write in writes:
            show_text(f"Forgotten: {_named(write)}.")


def _check(settings: "Settings") -> None:
    from mcp_server.backends.opening import check_settings

    try:
        check_settings(settings)
    except ConfigurationError as error:
        wrong_usage(str(error))


def _done(
    settings: "Settings", step: "Callable[[FederatedBackend], Awaitable[list[OpenWrite]]]", *, as_json: bool
) -> "list[OpenWrite]":
    async def main() -> "list[OpenWrite] | ToolFailure":
        from mcp_server.backends.opening import open_backend
        from mcp_server.backends.remote.federation import FederatedBackend
        from mcp_server.clock import Clock

        try:
            async with aclosing(await open_backend(settings, Clock(None), seed=False)) as backend:
                if not isinstance(backend, FederatedBackend):
                    raise InvalidInput("In a database of ours no write stays open.", suggestion="Name an MES or ERP.")
                return await step(backend)
        except ToolFailure as failure:
            return failure

    found = run(main)
    if isinstance(found, ToolFailure):
        _refuse(found, as_json=as_json)
    return found


def _refuse(failure: ToolFailure, *, as_json: bool) -> NoReturn:
    if as_json:
        show_json({"forgotten": False, **failure.as_json()})
    else:
        remark(f"error: {failure.message} {failure.suggestion}".rstrip())
    raise typer.Exit(FAILED)


def _named(write: "OpenWrite") -> str:
    return f"{write.tool} of {write.record}, since {write.since:%Y-%m-%d %H:%M} UTC"


def _as_json(write: "OpenWrite") -> dict[str, Any]:
    return {name: value for name, value in asdict(write).items() if name != "suggestion"} | {
        "since": write.since.isoformat()
    }
