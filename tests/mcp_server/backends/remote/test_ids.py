from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_server.backends.remote.ids import next_id
from mcp_server.domain.records import Issue
from tests.support.federated_plant import an_issue, federated_plant

pytestmark = pytest.mark.anyio

rests = st.one_of(
    st.integers(0, 10**20).map(str),
    st.integers(0, 200).map(lambda number: f"{number:04d}"),
    st.text("0123456789aX٣-² ", max_size=6),
)
some_ids = st.lists(st.tuples(st.sampled_from(["ISS-", "ISS-A", "IS", "iss-"]), rests).map("".join), max_size=8)


@pytest.mark.parametrize(
    ("taken", "following"),
    [
        ([], "ISS-0001"),
        (["ISS-0009", "ISS-0010", "ISS-0002"], "ISS-0011"),
        (["ISS-9999"], "ISS-10000"),
        (["ISS-000017"], "ISS-000018"),
        (["ISS-٣", "ISS-2b", "OTHER-7", "ISS-"], "ISS-0001"),
        (["ISS-" + "9" * 19], "ISS-0001"),
    ],
)
def test_the_id_after_the_highest_number_is_next(taken: list[str], following: str):
    assert next_id("ISS-", taken) == following


async def test_a_database_counts_in_the_same_way(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:

        async def counted(ids: set[str]) -> str:
            async with plant.store.unit_of_work(commit=False) as unit:
                await unit.insert_all(an_issue(issue_id) for issue_id in sorted(ids))
                return await unit.next_id(Issue, "ISS-")

        drawn: list[set[str]] = []

        @example(["ISS-0", "ISS-000000"])
        @given(some_ids)
        def draw(ids: list[str]) -> None:
            drawn.append(set(ids))

        draw()
        for ids in drawn:
            assert next_id("ISS-", ids) == await counted(ids), ids
