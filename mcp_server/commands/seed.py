"""`shopfloor-mcp seed`: fills an empty system of record with the sample plant, or with a plant's own files."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from mcp_server.invocation import FAILED, AsJson, AsOf, BackendOption, DataDir, ask, run, settings_from
from mcp_server.terminal import remark, show_json, show_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_server.backends.plant_files import WrongPlantFiles
    from mcp_server.domain.records import Record
    from mcp_server.settings import Settings

__all__ = ["seed"]

PlantFolder = Annotated[
    Path | None,
    typer.Option(
        "--plant",
        metavar="FOLDER",
        help="Load the CSV files in this folder instead; docs/reference/plant-files.md lists them.",
        show_default=False,
    ),
]


def seed(
    *,
    plant: PlantFolder = None,
    erase: Annotated[bool, typer.Option("--erase", help="Delete everything in the database first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
    as_json: AsJson = False,
    backend: BackendOption = None,
    data_dir: DataDir = None,
    as_of: AsOf = None,
) -> None:
    """Fill an empty database with the sample plant, or with a plant of your own.

    `serve` and `call` seed the sample plant on first use. With --plant, all files
    are checked first, and every wrong row is named. In a database of ours all of it
    is stored or nothing; an MES or ERP gets the master data that it does not have yet,
    the companion store beside it the rest.
    """
    settings = settings_from(backend=backend, data_dir=data_dir, as_of=as_of)
    counts = _loaded(settings, plant and plant.expanduser(), erase=erase, yes=yes, as_json=as_json)
    if as_json:
        show_json({"seeded": counts is not None, "data_dir": str(settings.data_dir), "records": counts or {}})
    elif counts is None:
        remark(_what_is_there(settings))
    else:
        _show(settings, counts)


def _loaded(
    settings: "Settings", plant: Path | None, *, erase: bool, yes: bool, as_json: bool
) -> dict[str, int] | None:
    """How many records of each kind; the files are read before anything is asked or erased."""
    from mcp_server.backends.plant_files import WrongPlantFiles
    from mcp_server.clock import Clock

    as_of = Clock(settings.as_of).today()

    async def read() -> "list[Record] | WrongPlantFiles | None":
        try:
            return await _records(plant, as_of)
        except WrongPlantFiles as wrong:
            return wrong

    found = run(read)
    if isinstance(found, WrongPlantFiles):
        _refuse(found, as_json=as_json)
    own: Sequence[Record] | None = found
    if erase and not yes:
        ask(f"Delete every record in {settings.data_dir if settings.backend is None else 'the database'}?")

    async def main() -> dict[str, int] | None:
        from mcp_server.backends.opening import seed_backend

        return await seed_backend(settings, as_of, erase=erase, own=own, progress=remark)

    return run(main)


async def _records(plant: Path | None, as_of: date) -> "list[Record] | None":
    if plant is None:
        return None
    from anyio import to_thread

    from mcp_server.backends.plant_files import own_records

    return await to_thread.run_sync(own_records, plant, as_of)


def _refuse(wrong: "WrongPlantFiles", *, as_json: bool) -> NoReturn:
    if as_json:
        told: list[dict[str, Any]] = [
            {"file": each.file, "line": each.line, "column": each.column, "message": each.message}
            for each in wrong.wrong
        ]
        show_json({"seeded": False, "error": str(wrong), "wrong": told, "wrong_total": wrong.total})
    else:
        for each in wrong.wrong:
            show_text(str(each))
        if wrong.total > len(wrong.wrong):
            show_text(f"And {wrong.total - len(wrong.wrong)} more.")
        remark(f"error: {wrong}")
    raise typer.Exit(FAILED)


def _what_is_there(settings: "Settings") -> str:
    from mcp_server.backends.opening import is_remote

    if is_remote(settings):
        return (
            f"The companion store in {settings.data_dir} knows projects already; nothing was changed. To load others, "
            "move its companion-….sqlite3 away first."
        )
    where = settings.data_dir if settings.backend is None else "The database"
    return f"{where} holds a plant already; nothing was changed. Use --erase to start over."


def _show(settings: "Settings", counts: dict[str, int]) -> None:
    from mcp_server.backends.opening import is_remote

    remote = is_remote(settings)
    for name, count in counts.items():
        if not remote:
            show_text(f"{count:6d} {name}")
        elif name == "companion":
            show_text(f"{count:6d} records in the companion store, with what the system does not hold of the others")
        else:
            show_text(f"{count:6d} of kind {name} in the system of record")
