from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.backends.base import Query
from mcp_server.backends.remote.querying import page_of
from mcp_server.domain.records import Issue, IssueState, WorkOrder
from tests.support.federated_plant import NOW, an_issue, an_order, federated_plant

pytestmark = pytest.mark.anyio

words = st.sampled_from(["Öl", "öl", "100 %", "a_b", "A\\b", "ISS-000", "Pump", "pump leaks", "ß", "İ", ""])
moments = st.integers(0, 5).map(lambda days: NOW + timedelta(days=days))
keys = st.integers(0, 25).map(lambda number: f"ISS-{number:04d}")
queries = st.builds(
    Query,
    among=st.fixed_dictionaries(
        {},
        optional={
            "state": st.lists(st.sampled_from(["open", "closed", IssueState.TRIAGED]), max_size=2).map(tuple),
            "machine_id": st.sampled_from([("MC-103",), ("MC-103", None), (None,)]),
            "qty_affected": st.lists(st.integers(0, 3), max_size=3).map(tuple),
        },
    ),
    text=st.one_of(st.none(), words),
    since=st.fixed_dictionaries({}, optional={"opened_at": moments, "closed_at": moments}),
    until=st.fixed_dictionaries({}, optional={"opened_at": moments, "closed_at": moments}),
    after=st.one_of(st.none(), keys),
    limit=st.one_of(st.none(), st.integers(1, 6)),
    descending=st.booleans(),
)


def drawn_issue(number: int) -> Issue:
    """Issues that differ in whatever a query looks at."""
    texts = ["Ölpumpe leaks", "100 % scrap", "a_b and A\\b", "PUMP", "Straße", "İstanbul"]
    changes: dict[str, Any] = {
        "title": texts[number % 6],
        "description": texts[number % 5],
        "state": ["open", "closed", "triaged"][number % 3],
        "machine_id": [None, "MC-103"][number % 2],
        "qty_affected": number % 4,
        "opened_at": NOW + timedelta(days=number % 6),
        "closed_at": None if number % 3 else NOW + timedelta(days=number % 5),
    }
    return an_issue(f"ISS-{number:04d}", **changes)


async def test_a_page_of_records_in_memory_is_the_page_of_a_database(tmp_path: Path):
    issues = [drawn_issue(number) for number in range(1, 24)]
    drawn: list[Query] = []

    @settings(max_examples=150)
    @given(queries)
    def draw(query: Query) -> None:
        drawn.append(query)

    draw()
    async with federated_plant(tmp_path) as plant, plant.store.unit_of_work(commit=False) as unit:
        await unit.insert_all(reversed(issues))
        for query in drawn:
            assert page_of(issues, query) == await unit.find(Issue, query), query


async def test_what_is_not_set_fits_no_day(tmp_path: Path):
    orders = [an_order("WO-0001"), an_order("WO-0002", due_on=NOW.date())]
    bounded = [Query(since={"due_on": NOW.date()}), Query(until={"due_on": NOW.date()})]
    async with federated_plant(tmp_path) as plant, plant.store.unit_of_work(commit=False) as unit:
        await unit.insert_all(orders)
        for query in bounded:
            assert page_of(orders, query) == await unit.find(WorkOrder, query)
            assert [order.id for order in page_of(orders, query).items] == ["WO-0002"]
