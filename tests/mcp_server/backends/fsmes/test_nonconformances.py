import json
from datetime import UTC, datetime

import pytest
import respx

from mcp_server.backends.fsmes import FsmesSystem
from mcp_server.backends.remote.merging import merged
from mcp_server.backends.remote.port import Row
from mcp_server.domain.records import Disposition, DispositionKind, Issue, IssueState, Severity
from mcp_server.errors import AnswerLost, Conflict, RuleViolated
from tests.mcp_server.backends.fsmes.recorded import answer_to, body_of_answer

pytestmark = pytest.mark.anyio
PATH = "/quality/nonconformances/NC-00001"
OPENED = f"GET {PATH}"
SCRAPPED = Disposition(qty=1, kind=DispositionKind.SCRAP, by="E105", at=datetime(2026, 7, 1, tzinfo=UTC))
SORTED = SCRAPPED.model_copy(update={"kind": DispositionKind.SORT})


async def opened(mes: FsmesSystem, server: respx.MockRouter) -> tuple[Issue, Row]:
    server.get(PATH).mock(return_value=answer_to("nonconformances", OPENED))
    row = await mes.collections[Issue].one("NC-00001", None)
    assert row is not None
    return merged(mes.collections[Issue], row, None), row


async def test_one_that_the_mes_opened_is_an_issue(mes: FsmesSystem, server: respx.MockRouter) -> None:
    issue, _ = await opened(mes, server)
    assert issue.description.startswith("Bore diameter=57.05mm outside")
    assert (issue.state, issue.severity, issue.detected_by) == (IssueState.OPEN, Severity.MINOR, "ADMIN")
    assert issue.contain_due_at > issue.opened_at


async def test_what_was_decided_there_is_shown(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/quality/nonconformances").mock(
        return_value=answer_to("nonconformances", "GET /quality/nonconformances")
    )
    issues = mes.collections[Issue]
    (row,) = [row async for page in issues.pages() for row in page]
    issue: Issue = merged(issues, row, None)
    assert issue.state is IssueState.TRIAGED
    assert [d.kind for d in issue.dispositions] == [DispositionKind.SCRAP]


async def test_an_unknown_one_is_none(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/quality/nonconformances/NO").mock(
        return_value=answer_to("nonconformances", "GET /quality/nonconformances/NO")
    )
    assert await mes.collections[Issue].one("NO", None) is None


async def test_our_issues_are_not_sent(mes: FsmesSystem, server: respx.MockRouter) -> None:
    issue, _ = await opened(mes, server)
    assert not mes.collections[Issue].takes(issue)
    with pytest.raises(RuleViolated, match="by itself"):
        await mes.collections[Issue].create(issue, "key")


async def test_taking_it_up_is_a_review_there(mes: FsmesSystem, server: respx.MockRouter) -> None:
    issue, row = await opened(mes, server)
    reviewed = server.post(f"{PATH}/review").mock(return_value=answer_to("nonconformances", f"POST {PATH}/review"))
    server.get(PATH).mock(return_value=answer_to("nonconformances", f"POST {PATH}/review"))
    await mes.collections[Issue].change(issue, moved(issue, IssueState.CONTAINED), row, "key")
    assert reviewed.call_count == 1


async def test_closing_sends_the_decision_first(mes: FsmesSystem, server: respx.MockRouter) -> None:
    issue, row = await opened(mes, server)
    decided = server.post(f"{PATH}/disposition").mock(
        return_value=answer_to("nonconformances", f"POST {PATH}/disposition")
    )
    closed = server.post(f"{PATH}/close").mock(return_value=answer_to("nonconformances", f"POST {PATH}/close", 2))
    server.get(PATH).mock(side_effect=[
        answer_to("nonconformances", f"POST {PATH}/disposition"),
        answer_to("nonconformances", f"POST {PATH}/close", 2),
    ])  # fmt: skip
    after = moved(issue, IssueState.CLOSED).model_copy(update={"dispositions": (SCRAPPED, SORTED)})
    await mes.collections[Issue].change(issue, after, row, "key")
    assert json.loads(decided.calls.last.request.content) == {"disposition": "scrap", "reason": "1 pieces: scrap."}
    assert closed.call_count == 1


async def test_one_that_is_decided_there_is_only_closed(mes: FsmesSystem, server: respx.MockRouter) -> None:
    issue, _ = await opened(mes, server)
    server.get(PATH).mock(return_value=answer_to("nonconformances", f"POST {PATH}/disposition"))
    row = await mes.collections[Issue].one("NC-00001", None)
    assert row is not None
    closed = server.post(f"{PATH}/close").mock(return_value=answer_to("nonconformances", f"POST {PATH}/close", 2))
    server.get(PATH).mock(return_value=answer_to("nonconformances", f"POST {PATH}/close", 2))
    await mes.collections[Issue].change(issue, moved(issue, IssueState.CLOSED), row, "key")
    assert closed.call_count == 1


async def test_a_close_that_fails_after_the_decision_is_not_said_to_have_stored_nothing(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    issue, row = await opened(mes, server)
    server.post(f"{PATH}/disposition").mock(return_value=answer_to("nonconformances", f"POST {PATH}/disposition"))
    server.get(PATH).mock(return_value=answer_to("nonconformances", f"POST {PATH}/disposition"))
    server.post(f"{PATH}/close").respond(429)
    after = moved(issue, IssueState.CLOSED).model_copy(update={"dispositions": (SCRAPPED,)})
    with pytest.raises(AnswerLost):
        await mes.collections[Issue].change(issue, after, row, "key")


async def test_without_a_decision_that_the_mes_knows_it_is_not_closed(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    issue, row = await opened(mes, server)
    after = moved(issue, IssueState.CLOSED).model_copy(update={"dispositions": (SORTED,)})
    with pytest.raises(RuleViolated, match="only when it is decided"):
        await mes.collections[Issue].change(issue, after, row, "key")


async def test_the_refusal_of_the_mes_is_told(mes: FsmesSystem, server: respx.MockRouter) -> None:
    issue, row = await opened(mes, server)
    server.post(f"{PATH}/disposition").mock(return_value=answer_to("nonconformances", f"POST {PATH}/close"))
    after = moved(issue, IssueState.CLOSED).model_copy(update={"dispositions": (SCRAPPED,)})
    with pytest.raises(Conflict, match="has no disposition yet"):
        await mes.collections[Issue].change(issue, after, row, "key")


@pytest.mark.parametrize(("there", "state"), [("open", IssueState.CANCELLED), ("closed", IssueState.REOPENED)])
async def test_what_the_mes_cannot_say_is_refused(
    mes: FsmesSystem, server: respx.MockRouter, there: str, state: IssueState
) -> None:
    issue, row = await opened(mes, server)
    shown = Row(row.key, row.ref, {**row.values, "state": there}, assumed=row.assumed)
    with pytest.raises(RuleViolated, match=f"from {there} to"):
        await mes.collections[Issue].change(issue, moved(issue, state), shown, "key")


async def test_a_severity_of_the_plants_own_does_not_hide_it(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get(PATH).respond(json=body_of_answer("nonconformances", OPENED) | {"severity": "hold"})
    row = await mes.collections[Issue].one("NC-00001", None)
    assert row is not None
    assert merged(mes.collections[Issue], row, None).severity is Severity.MAJOR


def moved(issue: Issue, state: IssueState) -> Issue:
    return issue.model_copy(update={"state": state})
