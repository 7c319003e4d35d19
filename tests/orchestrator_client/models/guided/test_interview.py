from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator_client.dialogue.messages import ToolResultBlock
from orchestrator_client.models.guided.interview import Call, Done, Interview, Say, Step
from orchestrator_client.models.guided.wording import finished
from orchestrator_client.models.protocol import AgentBrief, AskField, ChoiceSource, Goal, ToolSpec

ROW: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec_id": {"type": "string", "description": "Specification"},
        "sampling": {"type": "string", "enum": ["fixed", "aql"]},
        "sample_size": {"type": "integer", "minimum": 1, "maximum": 100},
        "aql": {"type": "string", "enum": ["0.65", "65"]},
        "frequency": {"type": "string", "minLength": 2},
    },
    "required": ["sampling", "frequency"],
}
PLAN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "project": {"type": "string", "description": "Project code"},
        "dry_run": {"type": "boolean"},
        "title": {"type": "string", "description": "Title"},
        "phase": {"type": "string", "enum": ["pre_launch", "production"]},
        "rows": {"type": "array", "items": ROW, "maxItems": 5},
        "customer": {"type": "string"},
    },
    "required": ["project", "title", "phase", "rows"],
}
PROJECTS = ChoiceSource("list_projects", "id", "name")
SPECS = ChoiceSource("get_specs", "id", "name", {"project": "$project"}, {"state": ("released",)})
PLAN_GOAL = Goal(
    "create_plan",
    examples=("create a quality plan",),
    ask=(
        AskField("rows[].spec_id"),
        AskField("rows[].sample_size", {"sampling": "fixed"}),
        AskField("rows[].aql", {"sampling": "aql"}),
    ),
    choices={"project": PROJECTS, "rows[].spec_id": SPECS},
)
LIST_GOAL = Goal("get_plans", examples=("show the quality plans",), choices={"project": PROJECTS})
TOOLS = (
    ToolSpec("create_plan", "Create a quality plan.\nWith rows.", PLAN),
    ToolSpec(
        "get_plans",
        "Find quality plans.",
        {"properties": {"project": {"type": "string"}}, "required": ["project"]},
        read_only=True,
    ),
    ToolSpec("list_projects", "", {"properties": {"limit": {"type": "integer", "maximum": 150}}}, read_only=True),
    ToolSpec("get_specs", "", {"properties": {"project": {"type": "string"}}}, read_only=True),
)
ALPHA = {"id": "ALPHA", "name": "Project Alpha"}
BETA = {"id": "BETA", "name": "Project Beta"}
SPEC = {"id": "SP-1", "name": "Bore", "state": "released"}
OBSOLETE = {"id": "SP-0", "name": "Old bore", "state": "obsolete"}

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def found(*items: dict[str, Any], **more: Any) -> Answer:
    return lambda _: {"items": list(items), **more}


def refused(message: str, **error: Any) -> Answer:
    return lambda _: {"error": {"code": "validation", "message": message, **error}}


def stored(arguments: dict[str, Any]) -> dict[str, Any]:
    if arguments.get("dry_run"):
        return {"status": "created", "dry_run": True, "record": {"id": "QP-1"}, "warnings": ["SP-2 has no row."]}
    return {
        "status": "created",
        "record": {"id": "QP-1", "title": arguments["title"]},
        "verification": {"fields_checked": 9},
    }


@dataclass
class Talk:
    """An interview and the server's side of it; what the server answers can be changed on the way."""

    opening: str = "Create a quality plan"
    goals: tuple[Goal, ...] = (PLAN_GOAL,)
    tools: tuple[ToolSpec, ...] = TOOLS
    known: dict[str, Any] = field(default_factory=dict[str, Any])
    now: datetime | None = None
    server: dict[str, Answer] = field(
        default_factory=lambda: {
            "list_projects": found(ALPHA, BETA),
            "get_specs": found(SPEC, OBSOLETE),
            "create_plan": stored,
            "get_plans": found({"id": "QP-1"}, total=1),
        }
    )
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    step: Step = field(init=False)

    def __post_init__(self) -> None:
        brief = AgentBrief("quality", "Quality", self.goals, self.opening, self.known, now=self.now)
        self.interview = Interview(brief, self.tools)
        self.step = self.settled(self.interview.begin())

    def settled(self, step: Step) -> Step:
        while isinstance(step, Call):
            self.calls.append((step.tool, step.arguments))
            answer = self.server[step.tool](step.arguments)
            result = ToolResultBlock(tool_use_id="1", content="…", structured=answer, is_error="error" in answer)
            step = self.interview.returned(step.form, result)
        return step

    def say(self, *texts: str) -> str:
        """Answer one question after the other; returns what is said then."""
        for text in texts:
            assert isinstance(self.step, Say), self.step
            self.step = self.settled(self.interview.heard(self.step.form, text))
        return self.said

    @property
    def said(self) -> str:
        assert isinstance(self.step, Say | Done)
        return self.step.text

    @property
    def asking(self) -> str | None:
        return self.step.form.asking

    @property
    def values(self) -> Mapping[str, Any]:
        return self.step.form.arguments

    @property
    def writes(self) -> list[dict[str, Any]]:
        return [arguments for tool, arguments in self.calls if tool == "create_plan" and not arguments.get("dry_run")]


HEAD = ("1", "FC57", "production")
FIRST_ROW = ("SP-1", "fixed", "5", "every hour")


def at_the_summary(**options: Any) -> Talk:
    talk = Talk(**options)
    talk.say(*HEAD, *FIRST_ROW, "no")
    assert talk.step.form.stage == "confirm"
    return talk


def test_a_form_is_filled_in_question_by_question_checked_confirmed_and_stored() -> None:
    talk = Talk()
    asked = [talk.asking]
    for answer in (*HEAD, *FIRST_ROW):
        talk.say(answer)
        asked.append(talk.asking)
    assert asked == [
        "project",
        "title",
        "phase",
        "rows[0].spec_id",
        "rows[0].sampling",
        "rows[0].sample_size",
        "rows[0].frequency",
        "rows[]",
    ]
    summary = talk.say("no")
    assert summary.startswith("Create plan: the server has checked this and would accept it. Nothing is stored yet.")
    assert "Note: SP-2 has no row." in summary
    assert talk.writes == []
    assert talk.say("yes").startswith("Created: QP-1 FC57.\nIt was read back from the system of record: 9 values")
    assert isinstance(talk.step, Done)
    row = {"spec_id": "SP-1", "sampling": "fixed", "sample_size": 5, "frequency": "every hour"}
    assert talk.writes == [{"project": "ALPHA", "title": "FC57", "phase": "production", "rows": [row]}]


def test_a_question_says_what_the_field_is_and_how_to_answer() -> None:
    talk = Talk()
    assert talk.said == "Project: Project code\n   1  ALPHA  Project Alpha\n   2  BETA   Project Beta\n(number or name)"
    assert talk.say("1") == "Title: Title"
    assert (
        talk.say("FC57", "production")
        == "Row 1 · Spec id: Specification\n   1  SP-1  Bore\n(number or name; - to leave it out)"
    )
    assert talk.say("1", "fixed") == "Row 1 · Sample size\n(a number from 1 to 100)"


def test_a_wrong_answer_is_explained_at_once_and_the_question_is_asked_again() -> None:
    talk = Talk()
    question = talk.said
    assert talk.say("Delta") == f"'Delta' is not in the list.\n{question[:-1]}; /cancel gives it up)"
    assert talk.say("?") == question
    assert talk.asking == "project"


def test_a_dash_is_no_value_of_a_required_field() -> None:
    talk = Talk()
    talk.say("1")
    assert talk.say("-").startswith("This needs an answer; it cannot be left out.\nTitle: Title")
    assert talk.asking == "title"


def test_a_long_list_is_not_shown_again_after_a_wrong_answer_unless_asked_for() -> None:
    many = [{"id": f"P-{number}", "name": f"Pilot {number}"} for number in range(9)]
    talk = Talk(server={"list_projects": found(*many), "get_specs": found(), "create_plan": stored})
    question = talk.said
    assert talk.say("zzz").splitlines() == [
        "'zzz' is not in the list.",
        "Project: Project code",
        "(number or name; ? shows the list; /cancel gives it up)",
    ]
    assert talk.say("?") == question


@pytest.mark.parametrize("number", ["41", "9" * 5_000])
def test_a_number_of_any_length_is_no_more_than_a_wrong_answer(number: str) -> None:
    talk = Talk()
    assert talk.say(number).startswith("There is no number")
    assert len(talk.said) < 200
    talk.say("1", "FC57", "production", "-", "fixed", "5", "hourly", "no")
    assert "no answer here" in talk.say(number)


def test_a_goal_is_offered_by_the_first_sentence_of_its_tool() -> None:
    described = replace(TOOLS[0], description="Create a\nquality plan. Never\nmake up a row.")
    long = replace(TOOLS[1], description="Find " + "x" * 200)
    talk = Talk("quality", goals=(PLAN_GOAL, LIST_GOAL), tools=(described, long, *TOOLS[2:]))
    assert talk.said.splitlines()[1:3] == ["  1  Create a quality plan.", f"  2  Find {'x' * 115}…"]


def test_an_optional_field_can_be_left_out() -> None:
    talk = Talk()
    talk.say(*HEAD, "-")
    assert talk.asking == "rows[0].sampling"
    talk.say("fixed", "5", "every hour", "no", "yes")
    assert "spec_id" not in talk.writes[0]["rows"][0]


def test_a_required_field_cannot_be_left_out() -> None:
    talk = Talk()
    assert "This needs an answer." in talk.say("1", "")
    assert talk.asking == "title"


def test_a_condition_decides_which_field_is_asked() -> None:
    talk = Talk()
    talk.say(*HEAD, "SP-1", "aql")
    assert talk.asking == "rows[0].aql"
    assert "  0.65\n" in talk.said
    assert "(one of these)" in talk.said


def test_a_later_item_offers_the_answers_of_the_one_before_but_not_its_identity() -> None:
    talk = Talk()
    talk.say(*HEAD, *FIRST_ROW, "yes")
    assert talk.asking == "rows[1].spec_id"
    assert "Enter for" not in talk.said
    talk.say("-")
    assert "(number or name; Enter for fixed)" in talk.said
    assert "Enter for 5" in talk.say("")
    assert "Enter for every hour" in talk.say("=")
    talk.say("once a shift", "no", "yes")
    assert talk.writes[0]["rows"][1] == {"sampling": "fixed", "sample_size": 5, "frequency": "once a shift"}


def test_no_at_the_summary_stores_nothing_and_yes_asks_the_server_again() -> None:
    talk = at_the_summary()
    assert talk.say("no").startswith("Create plan: Nothing was stored.")
    assert talk.writes == []
    assert "would accept it" in talk.say("yes")
    assert talk.writes == []
    talk.say("yes")
    assert len(talk.writes) == 1


@pytest.mark.parametrize("answer", ["maybe", "0", "99", "", "yes please do"])
def test_anything_but_yes_stores_nothing(answer: str) -> None:
    talk = at_the_summary()
    talk.say(answer)
    assert talk.writes == []
    assert talk.step.form.stage == "change"


def test_a_line_of_the_summary_can_be_changed_and_keeps_its_place() -> None:
    talk = at_the_summary()
    before = [line for line in talk.said.splitlines() if line.startswith("   ")]
    talk.say("2")
    assert talk.asking == "title"
    after = [line for line in talk.say("FC57 rev B").splitlines() if line.startswith("   ")]
    assert before[1] == "   2  Title: FC57"
    assert after == [before[0], "   2  Title: FC57 rev B", *before[2:]]


def test_a_change_drops_the_answers_that_hung_on_it() -> None:
    talk = at_the_summary()
    talk.say("5", "aql")
    assert talk.asking == "rows[0].aql"
    talk.say("0.65", "yes")
    assert talk.writes[0]["rows"][0] == {"spec_id": "SP-1", "sampling": "aql", "aql": "0.65", "frequency": "every hour"}


def test_an_optional_line_can_be_taken_out_at_the_summary() -> None:
    talk = at_the_summary()
    assert "- to leave it out" in talk.say("4")
    talk.say("-", "yes")
    assert "spec_id" not in talk.writes[0]["rows"][0]


def test_another_item_can_be_added_at_the_summary() -> None:
    talk = at_the_summary()
    assert "add: another row." in talk.said
    talk.say("add")
    assert talk.asking == "rows[1].spec_id"
    talk.say("-", "", "", "", "no", "yes")
    assert len(talk.writes[0]["rows"]) == 2


def test_a_full_list_asks_for_no_more() -> None:
    talk = Talk()
    talk.say(*HEAD, *FIRST_ROW)
    for _ in range(4):
        talk.say("yes", "-", "", "", "")
    assert talk.step.form.stage == "confirm"
    assert len(talk.values["rows"]) == 5


def test_a_server_that_objects_to_a_nested_field_has_it_asked_again() -> None:
    talk = Talk()
    talk.server["create_plan"] = refused("5 is not enough.", field="rows[0].sample_size", suggestion="Take 8.")
    said = talk.say(*HEAD, *FIRST_ROW, "no")
    assert talk.asking == "rows[0].sample_size"
    assert said.startswith("5 is not enough. Take 8.\nRow 1 · Sample size")
    talk.server["create_plan"] = stored
    assert "would accept it" in talk.say("8")
    assert list(talk.values["rows"][0]) == ["spec_id", "sampling", "sample_size", "frequency"]


def test_a_field_the_server_objects_to_can_be_left_out_if_the_schema_lets_it() -> None:
    talk = Talk()
    talk.server["create_plan"] = refused("There is no such customer.", field="customer")
    talk.say(*HEAD, *FIRST_ROW, "no")
    assert talk.asking == "customer"
    talk.server["create_plan"] = stored
    assert "would accept it" in talk.say("-")


@pytest.mark.parametrize("where", [{}, {"field": "rows"}, {"field": "rows[0]"}, {"field": "nonsense"}, {"field": 7}])
def test_an_objection_that_names_no_field_lets_the_person_choose_and_loses_nothing(where: dict[str, Any]) -> None:
    talk = Talk()
    talk.server["create_plan"] = refused("It exists already.", **where)
    said = talk.say(*HEAD, *FIRST_ROW, "no")
    assert said.startswith("Create plan: It exists already.")
    assert talk.step.form.stage == "change"
    assert talk.values["rows"][0]["frequency"] == "every hour"
    talk.server["create_plan"] = stored
    assert "would accept it" in talk.say("yes")


def test_an_objection_after_the_yes_is_handled_the_same_way() -> None:
    talk = at_the_summary()
    talk.server["create_plan"] = refused("The title is taken.", field="title", alternatives=["FC57 A", "FC57 B"])
    assert talk.say("yes").startswith("The title is taken. Close to it: FC57 A, FC57 B.\nTitle: Title")
    talk.server["create_plan"] = stored
    talk.say("FC57 C")
    assert len(talk.writes) == 1
    assert talk.step.form.stage == "confirm"


def test_an_error_that_says_nothing_is_still_an_answer() -> None:
    talk = Talk()
    talk.server["create_plan"] = lambda _: {"error": "boom"}
    assert talk.say(*HEAD, *FIRST_ROW, "no").startswith("Create plan: …")


def test_a_write_without_a_dry_run_is_still_confirmed_before_it_is_made() -> None:
    schema = {**PLAN, "properties": {name: part for name, part in PLAN["properties"].items() if name != "dry_run"}}
    talk = Talk(tools=(ToolSpec("create_plan", "Create.", schema), *TOOLS[1:]))
    summary = talk.say(*HEAD, *FIRST_ROW, "no")
    assert summary.startswith("Create plan: nothing is stored yet.")
    assert talk.writes == []
    talk.say("no", "yes")
    assert talk.writes == []
    talk.say("yes")
    assert len(talk.writes) == 1


def test_a_read_is_made_at_once() -> None:
    talk = Talk("show the quality plans of Alpha", goals=(LIST_GOAL,))
    assert isinstance(talk.step, Done)
    assert talk.calls[-1] == ("get_plans", {"project": "ALPHA"})
    assert talk.said == "Get plans: 1 found."


def test_the_opening_message_fills_in_what_it_names() -> None:
    talk = Talk("Create a quality plan for Project Beta, production")
    assert talk.asking == "title"
    talk.say("RC38")
    assert talk.values == {"project": "BETA", "title": "RC38", "phase": "production"}
    assert talk.asking == "rows[0].spec_id"


@pytest.mark.parametrize("opening", ["a quality plan for Alpha or Beta", "a quality plan for the alphabet"])
def test_two_candidates_or_none_are_asked_for(opening: str) -> None:
    assert Talk(opening).asking == "project"


def test_the_project_of_the_session_is_taken_unless_the_message_names_another() -> None:
    assert Talk(known={"project": "ALPHA"}).values == {"project": "ALPHA"}
    assert Talk(known={"project": "project alpha"}).values == {"project": "ALPHA"}
    assert Talk("a quality plan for Beta", known={"project": "ALPHA"}).values == {"project": "BETA"}
    assert Talk(known={"project": "GAMMA"}).asking == "project"


def test_a_figure_in_the_opening_is_no_value_of_a_list_of_figures() -> None:
    schema = {
        "properties": {"lot_size": {"type": "integer"}, "aql": ROW["properties"]["aql"]},
        "required": ["lot_size", "aql"],
    }
    tools = (ToolSpec("compute", "", schema, read_only=True),)

    def asked(opening: str) -> Talk:
        talk = Talk(opening, goals=(Goal("compute"),), tools=tools, server={"compute": found()})
        talk.say("400")
        return talk

    assert asked("how many of a lot of 65").asking == "aql"
    assert asked("sampling plan for AQL 0.65").calls == [("compute", {"lot_size": 400, "aql": "0.65"})]


def test_items_of_a_list_are_not_guessed_from_the_opening() -> None:
    talk = Talk("Create a quality plan for Alpha with SP-1, fixed")
    talk.say("FC57", "production")
    assert talk.asking == "rows[0].spec_id"


def test_a_look_up_asks_for_one_large_page_and_keeps_only_what_may_be_chosen() -> None:
    talk = Talk()
    assert talk.calls == [("list_projects", {"limit": 150})]
    assert "SP-0" not in talk.say(*HEAD)
    assert talk.calls[-1] == ("get_specs", {"project": "ALPHA"})


def test_a_look_up_that_fails_leaves_the_question_open_for_any_answer() -> None:
    talk = Talk(
        server={"list_projects": refused("The store is away."), "create_plan": stored, "get_specs": found(SPEC)}
    )
    assert talk.said == "Project: Project code"
    talk.say("ALPHA")
    assert talk.values == {"project": "ALPHA"}


def test_a_plant_without_any_choice_is_told_in_the_words_of_the_server_and_looked_at_again() -> None:
    talk = Talk()
    talk.server["list_projects"] = found(total=0, warnings=["The plant knows no project yet."])
    talk.step = talk.settled(talk.interview.begin())
    told = "The plant knows no project yet.\n(anything to look again; /cancel gives it up)"
    assert talk.said == told
    assert talk.say("ALPHA") == told
    assert talk.values == {}
    talk.server["list_projects"] = found(ALPHA, BETA, total=2)
    assert "2  BETA" in talk.say("now?")
    talk.say("2")
    assert talk.values == {"project": "BETA"}


def test_an_empty_look_up_that_hangs_on_an_answer_leaves_the_question_open() -> None:
    talk = Talk()
    talk.server["get_specs"] = found(total=0, warnings=["None is in force."])
    talk.say(*HEAD)
    assert talk.asking == "rows[0].spec_id"
    assert "None is in force." not in talk.said


def test_a_look_up_with_more_than_one_page_takes_names_it_did_not_see() -> None:
    many = [{"id": f"P-{number}", "name": "Pilot"} for number in range(150)]
    talk = Talk(server={"list_projects": found(*many, total=400), "get_specs": found(), "create_plan": stored})
    talk.say("P-399")
    assert talk.values == {"project": "P-399"}
    assert talk.asking == "title"


def test_more_than_forty_options_are_cut_and_found_by_name() -> None:
    many = [{"id": f"P-{number}", "name": f"Pilot {number}"} for number in range(60)]
    talk = Talk(server={"list_projects": found(*many, total=60), "get_specs": found(), "create_plan": stored})
    assert "  40  P-39" in talk.said
    assert "P-40" not in talk.said
    assert "… and 20 more; type part of the name" in talk.said
    assert "There is no number 41." in talk.say("41")
    talk.say("pilot 55")
    assert talk.values == {"project": "P-55"}


def test_an_unclear_wish_is_asked_back_with_the_goals() -> None:
    talk = Talk("quality", goals=(PLAN_GOAL, LIST_GOAL))
    assert talk.said == (
        "What would you like to do?\n  1  Create a quality plan.\n  2  Find quality plans.\n(number or name)"
    )
    assert "'dance' is not in the list." in talk.say("dance")
    talk.say("2")
    assert talk.asking == "project"
    assert talk.step.form.goal == "get_plans"


def test_a_clear_wish_picks_its_goal() -> None:
    assert Talk("show the quality plans please", goals=(PLAN_GOAL, LIST_GOAL)).step.form.goal == "get_plans"
    assert Talk("please create a quality plan", goals=(PLAN_GOAL, LIST_GOAL)).step.form.goal == "create_plan"


EVERY_TYPE: dict[str, Any] = {
    "properties": {
        "text": {"type": "string"},
        "whole": {"type": ["integer", "null"]},
        "figure": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "flag": {"type": "boolean"},
        "one_of": {"enum": ["a", "b"]},
        "several": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "place": {"$ref": "#/$defs/Place"},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}, "minItems": 2},
        "any": {"type": "object"},
    },
    "$defs": {
        "Place": {"type": "object", "properties": {"site": {"type": "string"}}, "required": ["site"]},
        "Step": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
    "required": ["text", "whole", "figure", "flag", "one_of", "several", "numbers", "place", "steps", "any"],
}


def test_every_type_of_a_schema_can_be_asked_for() -> None:
    received: list[dict[str, Any]] = []

    def take(arguments: dict[str, Any]) -> dict[str, Any]:
        received.append(arguments)
        return {"status": "done"}

    talk = Talk(goals=(Goal("do"),), tools=(ToolSpec("do", "Do.", EVERY_TYPE),), server={"do": take})
    talk.say("t", "7", "0,5", "yes", "b", "1, y", "1,2", "LAK", "cut", "drill", "yes", "ream", "no", '{"k": 1}', "yes")
    assert talk.said == "Do:\n  Status: done"
    assert received == [
        {
            "text": "t",
            "whole": 7,
            "figure": 0.5,
            "flag": True,
            "one_of": "b",
            "several": ["x", "y"],
            "numbers": [1, 2],
            "place": {"site": "LAK"},
            "steps": [{"name": "cut"}, {"name": "drill"}, {"name": "ream"}],
            "any": {"k": 1},
        }
    ]


def test_every_call_of_a_form_has_its_own_number() -> None:
    talk = at_the_summary()
    talk.say("no", "yes", "yes")
    assert talk.step.form.calls == len(talk.calls)


ORDER: dict[str, Any] = {
    "properties": {
        "project": {"type": "string"},
        "dry_run": {"type": "boolean"},
        "expected_revision": {"type": "integer", "description": "Revision you read"},
        "order": {"type": "string", "description": "e.g. WO-1"},
        "start": {"type": "string", "format": "date-time", "description": "ISO 8601 with offset"},
        "due_on": {"type": "string", "format": "date"},
        "urgent": {"type": "boolean"},
        "stations": {"type": "array", "items": {"type": "string"}},
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "qty": {"type": "number"}, "note": {"type": "string"}},
                "required": ["name", "qty"],
            },
        },
        "limit": {"type": "integer", "default": 30},
        "override_reason": {"type": "string"},
    },
    "required": ["project", "expected_revision", "order", "start"],
}
STATIONS = ChoiceSource("get_stations", "id", arguments={"project": "$project"})
ORDERS = ChoiceSource(
    "get_orders", "id", "title", {"project": "$project"}, notes=("state", "est_min", "skills", "technician")
)
REVISION = ChoiceSource("get_record", "revision", arguments={"types": ["$order"]}, ask=False)
ORDER_GOAL = Goal(
    "move",
    ask=(
        AskField("urgent", only_if_named=True),
        AskField("stations", only_if_named=True),
        AskField("parts"),
        AskField("parts[].note"),
    ),
    choices={
        "project": ChoiceSource("list_projects", "id", "name", time_zone="zone"),
        "expected_revision": REVISION,
        "order": ORDERS,
        "stations": STATIONS,
    },
)
ORDER_TOOLS = (
    ToolSpec("move", "Move an order.", ORDER),
    *(ToolSpec(name, "", {}, read_only=True) for name in ("list_projects", "get_orders", "get_record", "get_stations")),
)
ITEMS: tuple[dict[str, Any], ...] = (
    {"id": "WO-1", "title": "Service", "state": "planned", "est_min": 90, "skills": ["plc", "robot"]},
    {"id": "WO-2", "title": "Check", "state": "due", "est_min": 30.0, "skills": []},
)
UP_TO_THE_START = ("1", "WO-1")
SUNDAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


def moving(opening: str = "move it", *, goal: Goal = ORDER_GOAL, **answers: Answer) -> Talk:
    server: dict[str, Answer] = {
        "list_projects": found({"id": "ALPHA", "name": "Alpha", "zone": "America/Chicago"}),
        "get_orders": found(*ITEMS),
        "get_record": lambda _: {"type": "order", "revision": 7},
        "get_stations": found({"id": "ALPHA-OP70"}, {"id": "ALPHA-OP80"}),
        "move": lambda _: {"status": "updated", "record": {"id": "WO-1"}},
    }
    return Talk(opening=opening, goals=(goal,), tools=ORDER_TOOLS, server=server | answers, now=SUNDAY)


def test_a_revision_is_looked_up_after_the_record_is_chosen_and_never_asked() -> None:
    talk = moving()
    talk.say(*UP_TO_THE_START)
    assert talk.asking == "start"
    assert talk.values["expected_revision"] == 7
    assert ("get_record", {"types": ["WO-1"]}) in talk.calls


def test_a_revision_that_cannot_be_looked_up_is_asked_for() -> None:
    talk = moving(get_record=refused("There is no such record."))
    assert talk.say(*UP_TO_THE_START).startswith("Expected revision: Revision you read")


def test_a_revision_that_has_changed_is_confirmed_by_the_person() -> None:
    stale = refused("It was changed meanwhile.", field="expected_revision")
    talk = moving(move=stale)
    said = talk.say(*UP_TO_THE_START, "2026-11-24 14:00", "no")
    assert said.startswith("It was changed meanwhile.\nExpected revision")
    assert "/cancel gives it up" in said


def test_notes_help_to_choose() -> None:
    talk = moving()
    assert talk.say("1") == (
        "Order\n"
        "   1  WO-1  Service (planned, est 90 min, plc, robot)\n"
        "   2  WO-2  Check (due, est 30 min)\n"
        "(number or name)"
    )


def test_a_time_is_asked_for_and_read_in_the_zone_of_the_chosen_project() -> None:
    talk = moving()
    question = talk.say(*UP_TO_THE_START)
    assert question == "Start\n(such as 2026-11-24 14:00 or tomorrow 14:00, America/Chicago time)"
    assert talk.say("soon").startswith("That is not a day;")
    talk.say("tomorrow 14:00")
    assert talk.values["start"] == "2026-11-23T14:00:00-06:00"


def test_a_date_is_read_as_a_day() -> None:
    talk = moving(goal=Goal("move", ask=(AskField("due_on"),), choices=ORDER_GOAL.choices))
    assert talk.say(*UP_TO_THE_START, "2026-11-24 14:00").startswith("Due on\n(such as 2026-11-24, tomorrow or friday")
    talk.say("friday")
    assert talk.values["due_on"] == "2026-11-27"


def test_a_field_that_counts_only_if_named_is_never_asked() -> None:
    talk = moving()
    talk.say(*UP_TO_THE_START, "2026-11-24 14:00")
    assert talk.asking == "parts[]"
    assert talk.values.keys() == {"project", "expected_revision", "order", "start"}
    named = moving("the urgent move at OP70 and ALPHA-OP80")
    named.say(*UP_TO_THE_START, "2026-11-24 14:00")
    assert (named.values["urgent"], named.values["stations"]) == (True, ["ALPHA-OP70", "ALPHA-OP80"])


def test_an_optional_list_begins_with_whether_there_is_an_item_at_all() -> None:
    talk = moving()
    assert talk.say(*UP_TO_THE_START, "2026-11-24 14:00") == "Add a part? (yes / no)"
    talk.say("yes", "Seal", "2", "red")
    assert talk.said == "Another part? (yes / no)"
    talk.say("yes")
    assert "Enter for" not in talk.said  # the name is what tells parts apart
    assert "Enter for 2" in talk.say("Ring")
    assert "Enter for" not in talk.say("")  # an optional remark is not taken over unseen
    talk.say("-", "no")
    assert talk.values["parts"] == [{"name": "Seal", "qty": 2.0, "note": "red"}, {"name": "Ring", "qty": 2.0}]
    assert "parts" not in moving().values


def test_a_refused_value_is_kept_with_the_reason_the_server_asks_for() -> None:
    late = refused("Too late.", field="start", suggestion="Take Monday, or say in override_reason why.")
    talk = moving(move=late)
    said = talk.say(*UP_TO_THE_START, "2026-11-24 14:00", "no")
    assert "To keep it, answer override_reason: and your words." in said
    talk.server["move"] = lambda _: {"status": "updated", "record": {"id": "WO-1"}}
    talk.say("override_reason: the line stands then")
    assert (talk.values["start"], talk.values["override_reason"]) == (
        "2026-11-24T14:00:00-06:00",
        "the line stands then",
    )


def test_a_reason_is_taken_only_where_the_server_has_asked_for_one() -> None:
    talk = moving()
    talk.say(*UP_TO_THE_START, "override_reason: because")
    assert talk.asking == "start"
    assert "override_reason" not in talk.values


def test_every_open_point_of_a_refusal_is_listed() -> None:
    said = moving(move=refused("It cannot be closed.", also=["Gate A is open.", "Gate B is open."])).say(
        *UP_TO_THE_START, "2026-11-24 14:00", "no"
    )
    assert "It cannot be closed.\n  - Gate A is open.\n  - Gate B is open." in said


def test_what_would_work_is_not_said_twice() -> None:
    named = refused("No.", field="order", suggestion="Take WO-2.", alternatives=["WO-2"])
    assert "Close to it" not in moving(move=named).say(*UP_TO_THE_START, "2026-11-24 14:00", "no")


def test_the_result_says_what_stands_beside_the_record() -> None:
    answer = {
        "status": "updated",
        "record": {"id": "WO-1"},
        "in_window": True,
        "times": {"steps_s": 35.0, "none": None},
        "compared_with": ["WO-6"],
        "gates": [{"gate": "a"}],
        "audit_id": 3,
    }
    talk = moving(move=lambda _: answer)
    talk.say(*UP_TO_THE_START, "2026-11-24 14:00", "no", "yes")
    assert talk.said == "Updated: WO-1.\n  In window: yes\n  Times: steps (s) 35\n  Compared with: WO-6"


def test_after_a_yes_to_the_server_the_code_is_sent_and_after_a_no_nothing_is() -> None:
    talk = moving()
    talk.say(*UP_TO_THE_START, "2026-11-24 14:00", "no")
    form = talk.step.form
    sent = talk.interview.agreed(form, "c0de")
    assert isinstance(sent, Call)
    assert (sent.tool, sent.arguments) == ("move", {**form.arguments, "confirmation": "c0de"})
    kept = talk.interview.declined(form)
    assert isinstance(kept, Say)
    assert "You did not agree, so nothing was done." in kept.text


def test_a_key_figure_is_told_with_its_value_or_why_there_is_none() -> None:
    rate = {"value": 0.914, "unit": "share", "numerator": 246, "denominator": 269, "definition": "Done in time."}
    hours = {"value": 1.40, "unit": "h", "definition": "Hours of repair."}
    none = {
        "unit": "h",
        "numerator": 615.27,
        "denominator": 0,
        "reason": "no failures",
        "definition": "Hours / failures.",
    }
    assert finished("Kpis", {"pm_compliance": rate, "mttr": hours, "mtbf": none}).splitlines()[1:] == [
        "  PM compliance: 91.4 % (246 / 269). Done in time.",
        "  MTTR: 1.4 h. Hours of repair.",
        "  MTBF: none, no failures. Hours / failures.",
    ]
