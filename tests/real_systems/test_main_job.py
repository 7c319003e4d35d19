"""The main job on a real MES, typed line by line without any key; its own API is asked what it holds afterwards."""

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.programs import Programs, lines
from tests.end_to_end.test_main_job import FIRST_HALF, SECOND_HALF, STORED_ROWS
from tests.real_systems.fsmes import PINNED, RealFsmes, started
from tests.real_systems.processes import ROOT, CannotStart
from tests.support.backends import NOT_RUN
from tests.support.tutorial import differences, steps_of

PAGE = ROOT / "docs" / "connect-your-system.md"
BELOW_THE_TEXT = "```json shopfloor\n"
THREAD = ("HSG-FC57", "Bleeder port thread M10x1-6H")


@dataclass(frozen=True)
class Connected:
    """Both programs, set up for the MES, and a client that talks to it past all our code."""

    programs: Programs
    api: httpx.Client

    def chat(self, *typed: str) -> str:
        done = self.programs.client("chat", typed=lines("/project ALPHA", *typed))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shown(self, path: str) -> Any:
        return self.api.get(path).raise_for_status().json()


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Generator[Connected]:
    folder = tmp_path_factory.mktemp("mes")
    try:
        with started(folder) as real, httpx.Client(base_url=real.base_url, trust_env=False) as api:
            token = api.post("/auth/login", json={"code": real.user, "password": real.password}).json()["token"]
            api.headers["Authorization"] = f"Bearer {token}"
            yield Connected(seeded(real, folder / "data"), api)
    except CannotStart as failure:
        pytest.skip(f"{NOT_RUN}main job on the MES: {failure.reason}")


def seeded(real: RealFsmes, data_dir: Path) -> Programs:
    settings = {"BACKEND": real.url, "BACKEND_USER": real.user, "BACKEND_PASSWORD": real.password}
    programs = Programs(data_dir, {f"SHOPFLOOR_{name}": value for name, value in settings.items()})
    done = programs.server("seed")
    assert done.returncode == 0, done.stderr
    return programs


def test_the_conversation_ends_in_a_document_that_the_mes_shows_with_every_row_as_it_was_typed(connected: Connected):
    said = connected.chat(*FIRST_HALF, *SECOND_HALF, "yes")

    assert "Created: QP-0001 FC57 housing control plan." in said
    assert "It was read back from the system of record: 55 values compared, no difference." in said
    [document] = connected.shown("/documents/QP-0001/revisions")
    assert (document["title"], document["status"], document["created_by"], document["anchors"]) == (
        "FC57 housing control plan",
        "draft",
        "ADMIN",
        {"material": "HSG-FC57"},
    )
    text, _, rest = document["body"].rpartition(BELOW_THE_TEXT)
    fields = json.loads(rest.partition("\n```")[0])["revisions"][0]["fields"]
    assert (fields["title"], fields["phase"], fields["material_id"], fields["material_revision"]) == (
        "FC57 housing control plan",
        "production",
        "HSG-FC57",
        "D",
    )
    assert [{name: value for name, value in row.items() if value is not None} for row in fields["rows"]] == STORED_ROWS
    assert "- Limits: from 57 to 57.03 target 57.015 mm" in text
    assert "- Limits: to 0.05 mm" in text
    assert text.count("- When out: Stop the machine and sort since the last good check (") == 2


def test_a_job_is_scheduled_as_an_order_of_the_mes_and_completed_there(connected: Connected):
    said = connected.chat(
        "schedule maintenance for MC-103",
        "-",
        "corrective",
        "Replace way wiper",
        "mechanical",
        "yes",
        "2026-11-24 06:00",
        "45",
        "Ana Ortiz",
        "yes",
    )

    assert "Created: WO-0007 Replace way wiper." in said
    assert "It was read back from the system of record: 25 values compared, no difference." in said
    [order] = connected.shown("/maintenance/orders?q=WO-0007")["items"]
    assert {name: order[name] for name in ("equipment", "kind", "status", "summary", "priority", "needs_stop")} == {
        "equipment": "MC-103",
        "kind": "corrective",
        "status": "due",
        "summary": "[WO-0007] Replace way wiper",
        "priority": 3,
        "needs_stop": True,
    }

    times = {"completed_at": "2026-11-22T12:00:00Z", "labor_min": 40, "downtime_min": 0}
    found = {"findings": "New wiper fitted", "loto_removed": True}
    asked = {"project": "ALPHA", "wo_id": "WO-0007", "expected_revision": 1, **times, **found}
    code, answer = connected.programs.call("complete_maintenance", asked)

    assert code == 0, answer
    [order] = connected.shown("/maintenance/orders?q=WO-0007")["items"]
    assert order["status"] == "done"


def test_counted_pieces_stand_in_the_chart_of_the_mes_with_our_number(connected: Connected):
    material, characteristic = THREAD
    said = connected.chat(
        "record readings of a lot", "-", "SP-006", "LOT-HSG-004", "0; 0; 1", "Nia Scott", "-", "yes"
    )  # fmt: skip

    assert "Created: IR-0001." in said
    [point] = connected.shown(f"/quality/spc/{material}/{characteristic}")["points"]
    assert (point["lot_ref"], point["n"], point["k"]) == ("[IR-0001] LOT-HSG-004", 3, 1)


def test_an_mes_is_connected_as_the_page_shows(tmp_path: Path):
    assert f"pip install {PINNED[0]}\n" in PAGE.read_text()
    folder = tmp_path / "empty"
    folder.mkdir()
    try:
        with started(tmp_path) as real:
            other = {"127.0.0.1:8793": real.base_url.removeprefix("http://")}
            data = {"SHOPFLOOR_DATA_DIR": str(tmp_path / "data")}
            assert differences(steps_of(PAGE, "An MES, from nothing"), folder, data, other) == []
    except CannotStart as failure:
        pytest.skip(f"{NOT_RUN}docs/connect-your-system.md on the MES: {failure.reason}")
