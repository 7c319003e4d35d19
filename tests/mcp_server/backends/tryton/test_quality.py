from datetime import timedelta

import pytest

from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.backends.tryton import TrytonSystem
from mcp_server.domain.records import Issue, IssueState, Spec
from mcp_server.errors import AnswerLost, BackendUnavailable, Conflict, InternalError, RuleViolated
from tests.mcp_server.backends.tryton.conftest import Replay, recorded
from tests.support.tryton_records import issue, spec

pytestmark = pytest.mark.anyio
ROUGHNESS = spec("SP-002", characteristic="Piston bore roughness Ra", unit="um", lsl=None, usl=0.8, nominal=None)


async def test_the_first_specification_of_an_operation_makes_its_control(system: TrytonSystem, replay: Replay) -> None:
    replay("specs", "made with its control")
    assert await system.collections[Spec].create(spec(), "key") == "quality.control.point,1"


async def test_the_next_specification_stands_in_the_same_control(system: TrytonSystem, replay: Replay) -> None:
    replay("specs", "made in the control")
    assert await system.collections[Spec].create(ROUGHNESS, "key") == "quality.control.point,2"


async def test_a_specification_of_an_unknown_material_is_refused(system: TrytonSystem, replay: Replay) -> None:
    replay("specs", "of an unknown material")
    with pytest.raises(RuleViolated, match="no product NO-SUCH"):
        await system.collections[Spec].create(spec("SP-9", material_id="NO-SUCH"), "key")


async def test_a_specification_of_a_material_that_is_there_twice_is_refused(
    system: TrytonSystem, replay: Replay
) -> None:
    product = recorded("specs", "made with its control")[0]
    product["answer"]["json"] = [{"id": 1, "__name__": "product.product"}, {"id": 7, "__name__": "product.product"}]
    product["answer"]["headers"]["content-range"] = "records 0-2/2"
    replay("specs", exchanges=[product])
    with pytest.raises(Conflict, match=r"product\.product,1, product\.product,7"):
        await system.collections[Spec].create(spec(), "key")


async def test_limits_come_back_to_the_last_digit(system: TrytonSystem, replay: Replay) -> None:
    replay("specs", "found")
    row = await system.collections[Spec].one("SP-001", None)
    assert row is not None
    assert (repr(row.values["tolerance_lower"]), repr(row.values["tolerance_upper"])) == ("57.0", "57.03")
    assert held_differently(system.collections[Spec], row, spec(usl=57.030000000000001)) == ()
    assert held_differently(system.collections[Spec], row, spec(usl=57.03000000000001)) == ("usl",)


async def test_a_limit_in_trytons_form_of_a_decimal_is_read(system: TrytonSystem, replay: Replay) -> None:
    found = recorded("specs", "found")[0]
    found["answer"]["json"][0]["tolerance_upper"] = {"__class__": "Decimal", "decimal": "57.03"}
    replay("specs", exchanges=[found])
    row = await system.collections[Spec].one("SP-001", None)
    assert row is not None
    assert row.values["tolerance_upper"] == 57.03


async def test_limits_and_unit_of_a_specification_change(system: TrytonSystem, replay: Replay) -> None:
    replay("specs", "found", "changed")
    specs = system.collections[Spec]
    row = await specs.one("SP-001", None)
    assert row is not None
    await specs.change(spec(), spec(lsl=56.99, usl=57.04, unit="um"), row, "key")


async def test_points_of_all_types_are_listed(system: TrytonSystem, replay: Replay) -> None:
    replay("specs", "listed")
    specs = system.collections[Spec]
    rows = [row async for page in specs.pages() for row in page]
    found = [merged(specs, row, None) for row in rows]
    assert [(each.id, each.data_type, each.unit, each.lsl, each.usl) for each in found] == [
        ("SP-001", "variable", "um", 56.99, 57.04),
        ("SP-002", "variable", "um", None, 0.8),
        ("POINT-3", "attribute", "", None, None),
    ]


async def test_the_first_issue_makes_the_control_behind_all_of_them(system: TrytonSystem, replay: Replay) -> None:
    replay("issues", "first made")
    assert await system.collections[Issue].create(issue(), "key") == "quality.alert,1"


async def test_an_alert_is_made_with_its_inspection_in_one_request(system: TrytonSystem, replay: Replay) -> None:
    replay("issues", "made")
    made = issue("ISS-0102", title="Groove too wide", description="63.20 mm")
    assert await system.collections[Issue].create(made, "key") == "quality.alert,2"


async def test_nothing_of_an_issue_is_stored_where_the_control_may_be(system: TrytonSystem, replay: Replay) -> None:
    absent, control, _ = recorded("issues", "first made")
    control["answer"] = recorded("refusals", "unknown model")[0]["answer"]
    replay("issues", exchanges=[absent, control])
    with pytest.raises(BackendUnavailable) as caught:
        await system.collections[Issue].create(issue(), "key")
    assert caught.value.outcome_known


@pytest.mark.parametrize(("state", "taken"), [(state, state is IssueState.OPEN) for state in IssueState])
async def test_only_an_open_issue_is_new_to_tryton(system: TrytonSystem, state: IssueState, taken: bool) -> None:
    assert system.collections[Issue].takes(issue(state=state)) is taken


async def test_a_triaged_issue_is_written_before_it_is_processed(system: TrytonSystem, replay: Replay) -> None:
    replay("issues", "found", "triaged")
    issues = system.collections[Issue]
    row = await issues.one("ISS-0101", None)
    assert row is not None
    await issues.change(issue(), issue(state=IssueState.TRIAGED, title="Bore out"), row, "key")


async def in_state(system: TrytonSystem, replay: Replay, state: str, *names: str) -> None:
    """Close or reopen an alert that Tryton shows in this state; it must be done as recorded under `names`."""
    found = recorded("issues", "found")[0]
    found["answer"]["json"][0] |= {"state": state, "title": "[ISS-0101] Bore out"}
    replay("issues", exchanges=[found, *(e for name in names for e in recorded("issues", name))])


async def test_an_issue_under_work_is_resolved_when_it_is_closed(system: TrytonSystem, replay: Replay) -> None:
    await in_state(system, replay, "processing", "closed")
    issues = system.collections[Issue]
    row = await issues.one("ISS-0101", None)
    assert row is not None
    before = issue(state=IssueState.VERIFYING, title="Bore out")
    assert merged(issues, row, before) is before
    await issues.change(before, issue(state=IssueState.CLOSED, title="Bore out"), row, "key")


async def test_a_resolved_issue_is_opened_processed_and_then_written(system: TrytonSystem, replay: Replay) -> None:
    await in_state(system, replay, "resolved", "reopened")
    issues = system.collections[Issue]
    row = await issues.one("ISS-0101", None)
    assert row is not None
    after = issue(state=IssueState.REOPENED, title="Bore out again")
    await issues.change(issue(state=IssueState.CLOSED, title="Bore out"), after, row, "key")


async def test_a_change_that_was_refused_half_way_is_not_called_undone(system: TrytonSystem, replay: Replay) -> None:
    found, (opened, *_) = recorded("issues", "found")[0], recorded("issues", "reopened")
    found["answer"]["json"][0] |= {"state": "resolved"}
    process = recorded("issues", "reopened")[1]
    process["answer"] = recorded("issues", "against its workflow")[0]["answer"]
    replay("issues", exchanges=[found, opened, process])
    issues = system.collections[Issue]
    row = await issues.one("ISS-0101", None)
    assert row is not None
    with pytest.raises(AnswerLost, match="took 1 of 2 steps"):
        await issues.change(issue(state=IssueState.CLOSED), issue(state=IssueState.REOPENED), row, "key")


async def test_what_was_refused_at_once_is_a_refusal(system: TrytonSystem, replay: Replay) -> None:
    await in_state(system, replay, "resolved", "against its workflow")
    issues = system.collections[Issue]
    row = await issues.one("ISS-0101", None)
    assert row is not None
    after = issue(state=IssueState.REOPENED, title="Bore out")
    with pytest.raises(RuleViolated, match="You can not call"):
        await issues.change(issue(state=IssueState.CLOSED, title="Bore out"), after, row, "key")


async def test_a_state_of_trytons_own_is_read_and_not_changed(system: TrytonSystem, replay: Replay) -> None:
    await in_state(system, replay, "on hold")
    issues = system.collections[Issue]
    row = await issues.one("ISS-0101", None)
    assert row is not None
    with pytest.raises(RuleViolated, match="from on hold to resolved"):
        await issues.change(issue(title="Bore out"), issue(title="Bore out", state=IssueState.CLOSED), row, "key")


async def test_an_alert_without_a_time_is_an_unknown_form(system: TrytonSystem, replay: Replay) -> None:
    found = recorded("issues", "found")[0]
    found["answer"]["json"][0]["create_date"] = None
    replay("issues", exchanges=[found])
    issues = system.collections[Issue]
    row = await issues.one("ISS-0101", None)
    assert row is not None
    assert merged(issues, row, issue()) == issue()
    with pytest.raises(InternalError, match="opened_at"):
        merged(issues, row, None)


async def test_the_clock_of_an_alert_made_in_tryton_starts_when_it_was_made(
    system: TrytonSystem, replay: Replay
) -> None:
    replay("issues", "listed")
    issues = system.collections[Issue]
    rows = [row async for page in issues.pages() for row in page]
    assert [row.key for row in rows] == ["ISS-0101", "ISS-0102", "ALERT-3"]
    native = merged(issues, rows[2], None)
    assert (native.title, native.description, native.state) == ("Quality alert", "", IssueState.OPEN)
    assert native.opened_at.isoformat().startswith("2026-11-22T")
    assert native.acknowledge_due_at - native.opened_at == timedelta(hours=4)
    assert merged(issues, rows[0], None).state is IssueState.TRIAGED
