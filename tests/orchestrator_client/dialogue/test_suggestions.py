import pytest

from orchestrator_client.dialogue.suggestions import suggest


def test_a_follow_up_is_filled_in_with_facts() -> None:
    assert suggest(["Show the issues of {project}"], {"project": "ALPHA"}) == ("Show the issues of ALPHA",)


def test_a_follow_up_whose_fact_is_unknown_is_not_offered() -> None:
    offered = suggest(["Service {machine_id} of {project}", "List the projects"], {"project": "ALPHA"})
    assert offered == ("List the projects",)


def test_at_most_three_are_offered_and_none_twice() -> None:
    texts = ["Plan {a}", "Plan {b}", "Two", "Three", "Four"]
    assert suggest(texts, {"a": "X", "b": "X"}) == ("Plan X", "Two", "Three")


def test_what_was_just_done_is_not_offered_again() -> None:
    texts = ["Show the issues of {project}", "List the projects"]
    assert suggest(texts, {"project": "ALPHA"}, said=" show the issues of Alpha\n") == ("List the projects",)


@pytest.mark.parametrize("value", ["{project}", "{0}", "{", "100 %"])
def test_a_fact_is_never_read_as_a_template(value: str) -> None:
    assert suggest(["Show {title}"], {"title": value}) == (f"Show {value}",)
