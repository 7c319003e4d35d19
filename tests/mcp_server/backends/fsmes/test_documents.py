import json
from typing import Any

import httpx
import pytest
import respx

from mcp_server.backends.fsmes import FsmesSystem
from mcp_server.backends.fsmes.document_text import body_of, content_of, contents_in
from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.backends.remote.port import Row
from mcp_server.domain.records import DocumentState, QualityPlan, Sop
from mcp_server.errors import AnswerLost, BackendUnavailable, Conflict, InternalError, RuleViolated
from tests.mcp_server.backends.fsmes.documents import PLAN, PROCEDURE, shown
from tests.mcp_server.backends.fsmes.recorded import answer_to, body_of_answer

pytestmark = pytest.mark.anyio
REVISIONS = f"/documents/{PLAN.id}/revisions"
REVISE = f"/documents/{PLAN.id}/revise"
DRAFT = shown(body_of(PLAN))
IN_FORCE = shown(body_of(PLAN), status="approved")
SECOND = PLAN.model_copy(update={"revision": 2, "title": "Second"})


def says(server: respx.MockRouter, *answers: list[dict[str, Any]]) -> None:
    """What the MES shows of the plan, one look after the other; the last answer holds on."""
    left = list(answers)

    def next_answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=left.pop(0) if len(left) > 1 else left[0], request=request)

    server.get(REVISIONS).mock(side_effect=next_answer)


def sent_to(route: respx.Route) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(route.calls.last.request.content)
    return body


def in_state(state: DocumentState, plan: QualityPlan = PLAN) -> QualityPlan:
    return plan.model_copy(update={"state": state})


async def row_of(mes: FsmesSystem, plan: QualityPlan) -> Row:
    row = await mes.collections[QualityPlan].one(plan.key, None)
    assert row is not None
    return row


async def test_a_plan_becomes_a_document_at_its_material(mes: FsmesSystem, server: respx.MockRouter) -> None:
    says(server, [], [DRAFT])
    made = server.post("/documents").mock(return_value=answer_to("documents", "POST /documents"))
    assert await mes.collections[QualityPlan].create(PLAN, "key") == "QP-0001@0001"
    assert sent_to(made) == {
        "code": "QP-0001", "kind": "instruction", "title": PLAN.title, "body": body_of(PLAN),
        "anchors": {"material": "MAT-1"},
    }  # fmt: skip
    assert held_differently(mes.collections[QualityPlan], await row_of(mes, PLAN), PLAN) == ()


async def test_a_plan_that_is_in_force_is_sent_and_put_in_force(mes: FsmesSystem, server: respx.MockRouter) -> None:
    says(server, [], [DRAFT], [DRAFT], [IN_FORCE])
    server.post("/documents").mock(return_value=answer_to("documents", "POST /documents"))
    approved = server.post("/documents/QP-0001/approve/1").respond(json=IN_FORCE)
    await mes.collections[QualityPlan].create(in_state(DocumentState.RELEASED), "key")
    assert approved.call_count == 1


async def test_one_that_is_there_is_refused(mes: FsmesSystem, server: respx.MockRouter) -> None:
    says(server, [DRAFT])
    with pytest.raises(Conflict, match="already"):
        await mes.collections[QualityPlan].create(PLAN, "key")


async def test_one_that_somebody_made_meanwhile_is_refused(mes: FsmesSystem, server: respx.MockRouter) -> None:
    says(server, [])
    server.post("/documents").mock(return_value=answer_to("documents", "POST /documents", 2))
    with pytest.raises(Conflict, match="already exists"):
        await mes.collections[QualityPlan].create(PLAN, "key")


async def test_a_document_that_is_not_shown_is_not_believed(mes: FsmesSystem, server: respx.MockRouter) -> None:
    says(server, [])
    server.post("/documents").mock(return_value=answer_to("documents", "POST /documents"))
    with pytest.raises(AnswerLost):
        await mes.collections[QualityPlan].create(PLAN, "key")


async def test_the_next_revision_of_what_is_in_force_stands_alone(mes: FsmesSystem, server: respx.MockRouter) -> None:
    revised = server.post(REVISE).respond(json={})
    says(server, [IN_FORCE], [IN_FORCE, shown(body_of(SECOND), revision=2, title="Second")])
    await mes.collections[QualityPlan].create(SECOND, "key")
    assert sent_to(revised)["body"] == body_of(SECOND)


async def test_a_draft_that_is_replaced_goes_on_standing_in_the_next_one(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    revised = server.post(REVISE).respond(json={})
    body = body_of(SECOND, [content_of(PLAN)])
    says(server, [DRAFT], [shown(body, title="Second")])
    plans = mes.collections[QualityPlan]
    await plans.create(SECOND, "key")
    assert [(c.revision, c.ended) for c in contents_in(sent_to(revised)["body"])[0]] == [(1, "superseded"), (2, None)]
    assert held_differently(plans, await row_of(mes, PLAN), in_state(DocumentState.SUPERSEDED)) == ()
    assert held_differently(plans, await row_of(mes, SECOND), SECOND) == ()


async def test_releasing_puts_it_in_force_there(mes: FsmesSystem, server: respx.MockRouter) -> None:
    says(server, [DRAFT], [DRAFT], [IN_FORCE])
    approved = server.post("/documents/QP-0001/approve/1").respond(json=IN_FORCE)
    row = await row_of(mes, PLAN)
    await mes.collections[QualityPlan].change(PLAN, in_state(DocumentState.RELEASED), row, "key")
    assert approved.call_count == 1


@pytest.mark.parametrize("state", [DocumentState.IN_REVIEW, DocumentState.APPROVED, DocumentState.SUPERSEDED])
async def test_steps_that_the_mes_does_not_take_or_takes_by_itself_are_not_sent(
    mes: FsmesSystem, server: respx.MockRouter, state: DocumentState
) -> None:
    says(server, [DRAFT])
    await mes.collections[QualityPlan].change(PLAN, in_state(state), await row_of(mes, PLAN), "key")
    assert {call.request.method for call in server.calls} == {"GET"}  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - respx has no types here


@pytest.mark.parametrize("looks", [1, 2])
async def test_a_draft_that_somebody_edited_there_is_not_put_in_force(
    mes: FsmesSystem, server: respx.MockRouter, looks: int
) -> None:
    edited = shown(body_of(PLAN).replace("57.03", "58"))
    says(server, *[[DRAFT], [edited]][2 - looks :])
    row = await row_of(mes, PLAN)
    with pytest.raises(Conflict, match="was edited in the MES"):
        await mes.collections[QualityPlan].change(PLAN, in_state(DocumentState.RELEASED), row, "key")


async def test_an_edited_text_does_not_pass_for_ours(mes: FsmesSystem, server: respx.MockRouter) -> None:
    says(server, [shown(body_of(PLAN).replace("57.03", "58", 1))])
    with pytest.raises(InternalError, match="form the server does not know"):
        merged(mes.collections[QualityPlan], await row_of(mes, PLAN), PLAN)


async def test_a_withdrawn_draft_says_so_in_its_title(mes: FsmesSystem, server: respx.MockRouter) -> None:
    marked = shown(body_of(PLAN), title=f"[withdrawn] {PLAN.title}")
    says(server, [DRAFT], [DRAFT], [marked])
    revised = server.post(REVISE).respond(json=marked)
    plans = mes.collections[QualityPlan]
    await plans.change(PLAN, in_state(DocumentState.WITHDRAWN), await row_of(mes, PLAN), "key")
    assert sent_to(revised) == {"title": f"[withdrawn] {PLAN.title}"}
    assert held_differently(plans, await row_of(mes, PLAN), in_state(DocumentState.WITHDRAWN)) == ()


async def test_before_the_only_revision_is_withdrawn_a_marked_draft_is_left(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    marked = shown(body_of(PLAN), revision=2, title=f"[withdrawn] {PLAN.title}")
    gone = shown(body_of(PLAN), status="withdrawn")
    says(server, [IN_FORCE], [IN_FORCE], [IN_FORCE], [IN_FORCE, marked], [gone, marked])
    revised = server.post(REVISE).respond(json=marked)
    withdrawn = server.post("/documents/QP-0001/withdraw").respond(json=gone)
    plans = mes.collections[QualityPlan]
    await plans.change(
        in_state(DocumentState.RELEASED), in_state(DocumentState.WITHDRAWN), await row_of(mes, PLAN), "key"
    )
    assert (revised.call_count, withdrawn.call_count) == (1, 1)
    assert (await row_of(mes, PLAN)).values["state"] == "withdrawn"


async def test_a_mark_alone_withdraws_nothing_that_is_in_force(mes: FsmesSystem, server: respx.MockRouter) -> None:
    says(server, [IN_FORCE, shown(body_of(PLAN), revision=2, title=f"[withdrawn] {PLAN.title}")])
    assert (await row_of(mes, PLAN)).values["state"] == "approved"


async def test_beside_an_open_draft_nothing_is_left(mes: FsmesSystem, server: respx.MockRouter) -> None:
    draft = shown(body_of(SECOND), revision=2, title="Second")
    says(server, [IN_FORCE, draft], [IN_FORCE, draft], [shown(body_of(PLAN), status="withdrawn"), draft])
    withdrawn = server.post("/documents/QP-0001/withdraw").respond(json={})
    await mes.collections[QualityPlan].change(
        in_state(DocumentState.RELEASED), in_state(DocumentState.WITHDRAWN), await row_of(mes, PLAN), "key"
    )
    assert withdrawn.call_count == 1


async def test_what_has_ended_there_does_not_come_back(mes: FsmesSystem, server: respx.MockRouter) -> None:
    says(server, [shown(body_of(PLAN), status="superseded")])
    with pytest.raises(RuleViolated, match="from superseded to approved"):
        await mes.collections[QualityPlan].change(
            PLAN, in_state(DocumentState.RELEASED), await row_of(mes, PLAN), "key"
        )


async def test_the_list_is_read_document_by_document_and_kind_by_kind(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    (catalogued,) = body_of_answer("documents", "GET /documents", 2)
    server.get("/documents").respond(
        json=[catalogued, catalogued | {"code": "QP-0001"}, catalogued | {"code": "WALK", "kind": "walkthrough"}]
    )
    server.get("/documents/WI-1/revisions").mock(return_value=answer_to("documents", "GET /documents/WI-1/revisions"))
    says(server, [DRAFT])
    plans = [row async for page in mes.collections[QualityPlan].pages() for row in page]
    procedures = [row async for page in mes.collections[Sop].pages() for row in page]
    assert [row.key for row in plans] == ["QP-0001@0001"]
    assert [row.key for row in procedures] == ["WI-1@0001"]
    read: Sop = merged(mes.collections[Sop], procedures[0], None)
    assert (read.title, read.purpose, read.machine_ids) == ("Start up", "Press green.", ("MC-103",))


async def test_without_documents_there_is_no_page(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/documents").mock(return_value=answer_to("documents", "GET /documents"))
    assert [page async for page in mes.collections[QualityPlan].pages()] == []


async def test_a_list_that_the_mes_cannot_make_is_explained(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/documents").mock(return_value=answer_to("documents", "GET /documents", 3))
    with pytest.raises(BackendUnavailable) as told:
        [page async for page in mes.collections[Sop].pages()]
    assert "only withdrawn revisions" in told.value.suggestion


async def test_a_code_that_the_mes_does_not_find_again_is_not_sent(mes: FsmesSystem) -> None:
    assert mes.collections[Sop].takes(PROCEDURE)
    slashed = PROCEDURE.model_copy(update={"id": "SOP/1"})
    assert not mes.collections[Sop].takes(slashed)
    assert await mes.collections[Sop].one(slashed.key, None) is None


@pytest.mark.parametrize("state", [DocumentState.SUPERSEDED, DocumentState.WITHDRAWN])
async def test_what_has_ended_before_it_was_sent_is_not_sent(mes: FsmesSystem, state: DocumentState) -> None:
    assert not mes.collections[QualityPlan].takes(in_state(state))


async def test_a_procedure_is_offered_at_its_machine_and_workstation(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    made = server.post("/documents").respond(201, json={})
    entry = shown(body_of(PROCEDURE), title=PROCEDURE.title) | {"code": PROCEDURE.id}
    server.get("/documents/SOP-0001/revisions").mock(
        side_effect=[httpx.Response(200, json=[]), *[httpx.Response(200, json=[entry])] * 2]
    )
    await mes.collections[Sop].create(PROCEDURE, "key")
    assert sent_to(made)["anchors"] == {"operation": "ALPHA-OP20", "equipment": "MC-103"}
