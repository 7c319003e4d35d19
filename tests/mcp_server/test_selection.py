import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.surface.selection import TOOLSETS, Selection, WrongSelection, select_tools
from mcp_server.tools import ALL_TOOLS


def names(selection: Selection) -> set[str]:
    return {tool.name for tool in select_tools(ALL_TOOLS, selection)}


def of(toolset: str) -> set[str]:
    return {tool.name for tool in ALL_TOOLS if tool.toolset == toolset}


EVERYTHING = {tool.name for tool in ALL_TOOLS}
READS = {tool.name for tool in ALL_TOOLS if not tool.writes}


def test_nothing_asked_for_is_everything_in_its_order():
    assert select_tools(ALL_TOOLS, Selection()) == ALL_TOOLS


def test_toolsets_stand_for_all_their_tools():
    assert names(Selection(toolsets=("core", "quality"))) == of("core") | of("quality")


def test_tools_alone_are_exactly_these_and_with_toolsets_come_on_top():
    assert names(Selection(tools=("log_issue",))) == {"log_issue"}
    assert names(Selection(toolsets=("core",), tools=("log_issue",))) == of("core") | {"log_issue"}


def test_what_is_excluded_stays_out_whatever_was_asked_for():
    assert names(Selection(exclude_tools=("log_issue",))) == EVERYTHING - {"log_issue"}
    asked_for = Selection(tools=("log_issue", "get_machines"), exclude_tools=("log_issue",))
    assert names(asked_for) == {"get_machines"}


def test_read_only_leaves_no_tool_that_writes_whatever_was_asked_for():
    assert names(Selection(read_only=True)) == READS
    assert names(Selection(toolsets=("quality",), tools=("log_issue",), read_only=True)) == of("quality") & READS


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (Selection(toolsets=("qualty",)), ["--toolsets", "SHOPFLOOR_TOOLSETS", "'qualty'", "Did you mean quality?"]),
        (Selection(toolsets=("zzz",)), ["There are core, quality"]),
        (Selection(tools=("get_machine",)), ["--tools ", "SHOPFLOOR_TOOLS", "Did you mean get_machines"]),
        (Selection(tools=("quality",)), ["there is no tool 'quality'"]),
        (Selection(exclude_tools=("LOG_ISSUE",)), ["--exclude-tools", "SHOPFLOOR_EXCLUDE_TOOLS", "mean log_issue"]),
        (Selection(tools=("log_issue",), read_only=True), ["no tool to offer"]),
        (Selection(tools=("log_issue",), exclude_tools=("log_issue",)), ["no tool to offer"]),
    ],
)
def test_a_name_that_does_not_exist_and_a_choice_that_leaves_nothing_are_refused(selection: Selection, says: list[str]):
    with pytest.raises(WrongSelection) as raised:
        select_tools(ALL_TOOLS, selection)
    for part in says:
        assert part in str(raised.value)


def test_a_very_long_name_is_not_repeated_in_full():
    with pytest.raises(WrongSelection) as raised:
        select_tools(ALL_TOOLS, Selection(toolsets=("x" * 10_000,)))
    assert len(str(raised.value)) < 300


def test_every_tool_belongs_to_a_toolset_that_can_be_asked_for():
    assert {tool.toolset for tool in ALL_TOOLS} <= set(TOOLSETS)


def some(names: set[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(sorted(names)), max_size=4).map(tuple)


@given(some(set(TOOLSETS)), some(EVERYTHING), some(EVERYTHING), st.booleans())
def test_no_choice_brings_back_what_another_took_away(
    toolsets: tuple[str, ...], tools: tuple[str, ...], exclude_tools: tuple[str, ...], read_only: bool
):
    try:
        offered = names(Selection(toolsets, tools, exclude_tools, read_only=read_only))
    except WrongSelection:
        return
    assert offered.isdisjoint(exclude_tools)
    assert offered <= (READS if read_only else EVERYTHING)
    if toolsets or tools:
        assert offered <= {*tools}.union(*map(of, toolsets))
