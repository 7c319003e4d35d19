"""The scripted conversations of `fixtures/conversations`, and what they are read, played and checked with."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.conversation_player import Failed, check, check_names, play
from tests.support.conversations import FOLDER, RECORDS, Check, Conversation, Unreadable, read, read_records

CONVERSATIONS = sorted(path for path in FOLDER.glob("*.md") if path.name != RECORDS)
HEAD = "# A title\n\nWhat it shows.\n\n"
GREETED = f"{HEAD}- Person: Hello\n- Router: general, 98 % sure\n- general says: Hello!\n"
CODE = "  - confirmation: the code that was asked for\n"
ASKED = f"""{HEAD}- Person: There is a burr
- Router: issue_tracking, 95 % sure
- issue_tracking says: Where?
- [x] mode: task active

- Person: Could you plan the service of the washer as well?
"""


def conversation(path: Path) -> Conversation:
    return read(path, read_records(FOLDER / RECORDS))


def written(folder: Path, text: str) -> Conversation:
    path = folder / "it.md"
    path.write_text(text, encoding="utf-8")
    return conversation(path)


@pytest.mark.anyio
@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
async def test_the_conversation_goes_as_it_is_written(path: Path, tmp_path: Path) -> None:
    await play(conversation(path), tmp_path)


def test_every_conversation_is_short_has_its_own_title_and_looks_at_every_kind_of_thing() -> None:
    read_all = [conversation(path) for path in CONVERSATIONS]
    assert len({found.title for found in read_all}) == len(read_all) >= 30
    assert all(len(path.read_text(encoding="utf-8").split("\n- ")) <= 40 for path in CONVERSATIONS)
    used = {wanted.name for found in read_all for exchange in found.exchanges for wanted in exchange.checks}
    assert {*check_names()} <= used
    text = "".join(path.read_text(encoding="utf-8") for path in CONVERSATIONS)
    assert all(f" with {name}\n" in text for name in read_records(FOLDER / RECORDS))


# What is not so is noticed


@pytest.mark.anyio
async def test_every_kind_of_statement_fails_when_it_is_not_so(tmp_path: Path) -> None:
    example = conversation(FOLDER / "quality-plan-example.md")
    seen = await play(example, tmp_path)
    wrong = {name: "something else" for name in check_names() if not name.endswith("lacks")}
    wrong |= {"reply lacks": "is stored as a draft", "prompt lacks": "Automotive parts", "stored in quality_plans": "7"}
    for name, value in wrong.items():
        with pytest.raises(Failed, match=rf"^it\.md:3: {name}: "):
            check(seen, Check("it.md:3", name, value, {}))
    for exchange in example.exchanges[-1:]:
        for wanted in exchange.checks:
            check(seen, wanted)
            if not wanted.name.endswith("lacks"):
                with pytest.raises(Failed):
                    check(seen, replace(wanted, value="99"))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "value", "fields", "said"),
    [
        ("colour", "red", {}, "there is no such statement; there are reply,"),
        ("reply", "Hello!", {"id": "X"}, 'only "stored in …" has fields'),
        ("reply lacks", "goodby", {}, "'goodby' was never said or shown, so it cannot be there"),
        ("stored in nowhere", "1", {}, "no such table: nowhere"),
        ("stored in issues", "1", {"colour": "red"}, "no such column: colour"),
        ("stored in issues", "many", {}, 'write "stored in TABLE: COUNT"'),
        ("stored in issues", "0", {"title = 1 OR title": "x"}, 'write "stored in TABLE: COUNT"'),
    ],
)
async def test_a_statement_that_cannot_be_checked_says_why(
    tmp_path: Path, name: str, value: str, fields: dict[str, str], said: str
) -> None:
    seen = await play(written(tmp_path, f"{GREETED}- [x] reply: Hello!\n"), tmp_path)
    with pytest.raises(Failed, match=r"^it\.md:9: ") as raised:
        check(seen, Check("it.md:9", name, value, fields))
    assert said in str(raised.value)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{GREETED}- [x] reply: Bye!\n", "it.md:8: reply: expected 'Bye!', found 'Hello!'"),
        (f"{GREETED}- general says: And more.\n- [x] reply: Hello!\n", "it.md:5: 1 of 3 steps were not asked for"),
        (f"{HEAD}- Person: Hello\n- [x] reply: Hello!\n", "it.md:5: The script has 0 steps. Unexpected route request"),
        (GREETED.replace("general says", "plant_data says") + "- [x] reply: Hello!\n", "expected agent 'plant_data'"),
        (f"{HEAD}- Person: /cancel\n- [x] prompt contains: x\n", "it.md:6: prompt contains: no agent was asked"),
        (
            f"{ASKED}- issue_tracking says: Later.\n- [x] reply: Later.\n",
            "it.md:10: the detector was asked, and the conversation does not say so.",
        ),
        (
            f"{ASKED}- Detector: same task\n- issue_tracking calls close_issue\n{CODE}- [x] mode: task active\n",
            'it.md:10: "the code that was asked for" stands where the server has asked for none.',
        ),
    ],
)
async def test_what_happens_otherwise_than_written_is_told_with_file_and_line(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(Failed) as raised:
        await play(written(tmp_path, text), tmp_path)
    assert said in str(raised.value)


# What cannot be read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'it.md:1: begin with "# Title"'),
        ("# A title\n\n- Person: Hello\n- [x] mode: orchestrator\n", "then a paragraph that says what it shows."),
        (f"{HEAD}- Router: general, 98 % sure\n", 'it.md:5: a conversation begins with "- Person: …".'),
        (HEAD, 'the list: a conversation begins with "- Person: …".'),
        (GREETED, "it.md:1: nothing is checked"),
        (f"{HEAD}- Person: Hello\n- Router: general\n", 'it.md:6: "Router: general" is none of "Person: …"'),
        (f"{HEAD}- Person: Hello\n- [x] reply\n", 'it.md:6: "[x] reply" must be "[x] what: value".'),
        (f"{HEAD}- Person: Hello\nRouter: general\n", 'it.md:6: begin the line with "- "'),
        (
            f"{HEAD}- Person: /back\n- [x] mode: x\n- Detector: same task\n",
            "it.md:5: say what the models answer before",
        ),
        (f"{GREETED}  - very sure\n", 'it.md:7: only "task complete" may stand below what an agent says.'),
        (f"{HEAD}- Person: Hello\n- a calls b with the cup\n", 'it.md:6: records.md has no "the cup"; there are the '),
        (f"{HEAD}- Person: Hello\n- a calls b\n  - title\n", 'it.md:6: "title" must be "field: value".'),
        (f"{HEAD}- Person: Hello\n- a calls b\n  - x: 1\n  - x: 2\n", "it.md:6: a field stands there twice."),
    ],
)
def test_what_cannot_be_read_says_where_and_what_is_expected(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Unreadable) as raised:
        written(tmp_path, text)
    assert said in str(raised.value)


def test_arguments_are_read_as_people_write_them(tmp_path: Path) -> None:
    text = (
        f"{HEAD}- Person: Hello, I am here\n  and stay\n- a calls b with the torque procedure\n  - title: Mine\n"
        "  - steps 2 time_s: 7\n  - ppe 2: Gloves\n  - dry_run: true\n  - start: 2026-11-24\n- [x] mode: orchestrator\n"
    )
    (exchange,) = written(tmp_path, text).exchanges
    ((use,),) = [step.calls for step in exchange.steps]
    assert exchange.said == "Hello, I am here and stay"
    assert (use.input["title"], use.input["project"], use.input["start"]) == ("Mine", "ALPHA", "2026-11-24")
    assert [step["time_s"] for step in use.input["steps"]] == [20.0, 7]
    assert (use.input["ppe"], use.input["dry_run"]) == (["Safety glasses", "Gloves"], True)
