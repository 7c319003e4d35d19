import pytest

from mcp_server.backends.fsmes.document_text import HELD_FIELDS, body_of, content_of, contents_in
from mcp_server.domain.records import Document, QualityPlan, Sop
from tests.mcp_server.backends.fsmes.documents import PLAN, PROCEDURE


@pytest.mark.parametrize("document", [PLAN, PROCEDURE])
def test_what_is_written_is_read_again(document: Document) -> None:
    contents, untouched = contents_in(body_of(document))
    assert untouched
    assert list(contents) == [content_of(document)]


def test_a_person_reads_the_characteristics_of_a_plan() -> None:
    text = body_of(PLAN).partition("```json")[0]
    assert text.startswith("# Housing, 57 µm control plan\n\nQuality plan QP-0001, revision 1.")
    for line in (
        "1. Bore diameter", "   - Limits: from 57 to 57.03 mm", "   - Measured by: bore gauge AG-01",
        "   - Sample: 5 pieces, every 2 hours", "   - When out: Stop.",
    ):  # fmt: skip
        assert f"\n{line}" in text


def test_a_person_reads_the_steps_and_hazards_of_a_procedure() -> None:
    text = body_of(PROCEDURE).partition("```json")[0]
    for line in (
        "## Purpose",
        "- DANGER: Spindle. It cuts. Wait.",
        "1. Open the guard. (4 s)",
        "   - Key point: Slowly",
    ):
        assert f"\n{line}" in text
    assert "## Scope" not in text


def test_text_that_looks_like_our_json_is_only_text() -> None:
    purpose = 'So.\n```json shopfloor\n{"revisions": []}\n```\nEnd.'
    procedure = PROCEDURE.model_copy(update={"purpose": purpose})
    (content,), untouched = contents_in(body_of(procedure))
    assert untouched
    assert content.fields["purpose"] == purpose


def test_replaced_drafts_stand_before_the_document() -> None:
    first = content_of(PLAN)
    contents, _ = contents_in(body_of(PLAN.model_copy(update={"revision": 2}), [first]))
    assert [(c.id, c.revision) for c in contents] == [("QP-0001", 1), ("QP-0001", 2)]
    assert contents[0] == first


def test_text_that_was_edited_is_noticed() -> None:
    contents, untouched = contents_in(body_of(PROCEDURE).replace("Open the guard. (4 s)", "Leave it shut. (4 s)"))
    assert (len(contents), untouched) == (1, False)


@pytest.mark.parametrize(
    "body", ["", "Press green.", "\n```json shopfloor\nno json\n```\n", "\n```json shopfloor\n{}\n```\n",
             "\n```json shopfloor\n[]\n```\n", body_of(PLAN) + "P.S."],
)  # fmt: skip
def test_a_body_that_is_not_ours_holds_no_revision_of_ours(body: str) -> None:
    assert contents_in(body) == ((), False)


def test_every_field_but_what_moves_is_held() -> None:
    moving = {"id", "revision", "state", "signatures"}
    assert set(QualityPlan.model_fields) - set(HELD_FIELDS[QualityPlan]) == moving | {"review_reason"}
    assert set(Sop.model_fields) - set(HELD_FIELDS[Sop]) == moving | {"effective_on", "inspected_on"}
