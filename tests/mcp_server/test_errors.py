import re
from collections.abc import Iterator
from pathlib import Path

from mcp_server import errors
from mcp_server.errors import ToolFailure

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tools.md"


def kinds(kind: type[ToolFailure] = ToolFailure) -> Iterator[type[ToolFailure]]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds(each)


def test_every_code_of_a_failure_stands_in_the_table_of_the_page_and_no_other() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Errors")[2].partition("| field | meaning |")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == {kind.code for kind in kinds()}


def test_every_failure_is_drawn_in_the_tree_and_exported() -> None:
    tree = errors.__doc__ or ""
    for kind in kinds():
        assert re.search(rf"\b{kind.__name__}\b", tree), kind
        assert kind.__name__ in errors.__all__


def test_only_a_failure_that_may_have_stored_something_says_that_its_outcome_is_unknown() -> None:
    assert {kind.code for kind in kinds() if not kind.outcome_known} == {"outcome_unknown"}
