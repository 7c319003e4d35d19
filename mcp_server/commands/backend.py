"""`shopfloor-mcp backend`: `check` tries the system of record that the settings name, and shows what it can hold."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from mcp_server.commands.forget import forget
from mcp_server.errors import ConfigurationError, ToolFailure
from mcp_server.invocation import FAILED, WRONG_USAGE, AsJson, BackendOption, DataDir, run, settings_from
from mcp_server.terminal import remark, show_json, show_table, show_text

if TYPE_CHECKING:
    from mcp_server.commands.check_report import CheckReport, KindFound
    from mcp_server.settings import Settings

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Try the system of record that the settings name, and settle what is open there.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def backend_commands() -> None:
    """Try the system of record that the settings name, and settle what is open there."""


@app.command()
def check(
    *,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Put one record named SHOPFLOOR-CHECK into a remote system, and read it back by value."
        ),
    ] = False,
    as_json: AsJson = False,
    backend: BackendOption = None,
    data_dir: DataDir = None,
) -> None:
    """Connect, show what the system can hold and what is there, and try one record.

    A database of ours takes the record in a transaction that is rolled back; an empty
    one gets its tables, and no plant. A remote system is only read, and the record
    rehearsed, unless you say --write. It is made once: later checks find it again.
    Exit code 0: all right. 1: something is wrong. 2: the settings are wrong.
    """
    settings = settings_from(backend=backend, data_dir=data_dir)

    async def main() -> "tuple[CheckReport, int]":
        return await _checked(settings, write=write)

    report, code = run(main)
    if as_json:
        show_json(report.as_json())
    else:
        _show(report, wrote=write)
    raise typer.Exit(code)


app.command()(forget)


async def _checked(settings: "Settings", *, write: bool) -> "tuple[CheckReport, int]":
    from mcp_server.backends.opening import check_settings, open_backend
    from mcp_server.clock import Clock
    from mcp_server.commands.check_report import CheckReport, Problem
    from mcp_server.commands.examination import examine

    clock, code = Clock(None), WRONG_USAGE
    try:
        check_settings(settings)
        code = FAILED
        async with aclosing(await open_backend(settings, clock, seed=False)) as backend:
            report = await examine(backend, write=write, now=clock.now(), progress=remark)
    except (ConfigurationError, ToolFailure) as failure:
        return CheckReport("", problems=[Problem.of(failure)]), code
    return report, 0 if report.ok else FAILED


def _show(report: "CheckReport", *, wrote: bool) -> None:
    _show_system(report)
    if report.kinds:
        show_table(("record", "held by", "there", "creates", "changes", "ids", "fields it holds"), _rows(report))
        show_text(_ABOUT_IDS)
    _show_trial(report, wrote=wrote)
    for call in report.open_writes:
        show_text(f"Open write: {call.tool} of {call.record}, since {call.since:%Y-%m-%d %H:%M} UTC. {call.suggestion}")
    for warning in report.warnings:
        show_text(f"Warning: {warning}")
    for problem in report.problems:
        for line in f"Wrong: {problem.message} {problem.suggestion}".rstrip().split("\n"):
            show_text(line)
    if report.ok:
        show_text("All right." if not report.warnings else "All right, but see the warnings.")


def _show_system(report: "CheckReport") -> None:
    if report.system is not None:
        system = report.system
        show_text(f"System of record  {' '.join(filter(None, (system.product, system.version)))}")
        show_text(f"Named in answers  {report.backend}")
        show_text(f"Signed in as      {system.signed_in_as or '-'}")
        for note in system.notes:
            show_text(f"Note              {note}")
    if report.promises is not None:
        can = report.promises
        show_text(f"A change          {_ATOMIC[can.atomic]}")
        show_text(f"Sent twice        {_KEYS[can.idempotency_keys]}")
        show_text(f"Changed meanwhile {_REVISIONS[can.revisions]}")
        show_text(f"Lists             {can.list_style}")
        show_text(f"Says no           {can.error_style}")
        show_text("")


def _show_trial(report: "CheckReport", *, wrote: bool) -> None:
    tried = report.round_trip
    if tried is None:
        return
    if not tried.differences:
        show_text(f"Tried: {tried.kind} {tried.id} {_HOW[tried.how]}, {tried.fields_checked} values the same.")
    else:
        show_table(
            (f"{tried.kind} {tried.id}: field", "sent", "came back"),
            [(each.field, each.sent, each.found) for each in tried.differences],
        )
    if tried.how == "rehearsed" and not wrote:
        show_text("Nothing was sent to the system. To put this record into it and read it back, say --write.")


def _rows(report: "CheckReport") -> list[tuple[str, ...]]:
    return [_row(found) for found in report.kinds]


def _row(found: "KindFound") -> tuple[str, ...]:
    there = "?" if found.records is None else str(found.records)
    if found.held_by in {"companion", "database"}:
        fields = "all" if found.held_by == "database" else "none"
        return found.kind, found.held_by, there, "yes", "all", _IDS[True], fields
    creates = "yes" if found.creates else "no"
    changes = ", ".join(found.changes) or "none"
    return found.kind, found.held_by, there, creates, changes, _IDS[found.client_ids], _fields(found)


def _fields(found: "KindFound") -> str:
    """What it holds, or what it lacks, whichever is shorter to say."""
    if not found.lacks:
        return "all"
    shorter = len(found.lacks) < len(found.fields)
    return f"all but {', '.join(found.lacks)}" if shorter else ", ".join(found.fields)


_ATOMIC = {
    True: "takes effect as a whole or not at all",
    False: "is sent record by record, and looked up when in doubt",
}
_KEYS = {
    True: "it knows the key again, and stores once",
    False: "it knows no keys; after a lost answer, the record is looked up",
}
_REVISIONS = {True: "it refuses the change", False: "it does not notice; we compare before we write"}
_IDS = {True: "ours", False: "its own", None: "-"}
_ABOUT_IDS = "Ids: one of ours is refused when it is taken; beside one of its own, ours stands in a text of the record."
_HOW = {
    "rolled back": "written, read back and rolled back",
    "rehearsed": "rehearsed",
    "created": "created and read back",
    "changed": "found again, changed and read back",
    "read back": "found again and read back",
}
