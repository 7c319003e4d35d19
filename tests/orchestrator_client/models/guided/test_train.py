from pathlib import Path

import pytest

from orchestrator_client.models.guided.classifier import Classifier, trained
from orchestrator_client.models.guided.train import Line, digest_of, fit, read_lines, run, training_lines

FEW = [
    Line("pump leaks", "issues"),
    Line("hose leaks", "issues"),
    Line("press leaks oil", "issues"),
    Line("service the pump", "service"),
    Line("service the press", "service"),
    Line("plan a service", "service"),
]


def test_the_shipped_weights_were_trained_on_the_lines_of_today() -> None:
    """Red after a change of the training lines or of the agents' examples: run the training command again."""
    assert trained().digest == digest_of(training_lines())


def test_training_learns_from_its_lines_and_gives_the_same_every_time() -> None:
    learner = fit(FEW)
    assert learner.probabilities("the hose leaks")["issues"] > 0.8
    assert learner.probabilities("service of the hose")["service"] > 0.5
    assert fit(FEW).as_json() == learner.as_json()


def test_other_lines_have_another_digest_and_the_order_does_not_matter() -> None:
    assert digest_of(FEW) == digest_of(FEW[::-1])
    assert digest_of(FEW) != digest_of([*FEW[:-1], Line("plan a service", "issues")])


def test_training_says_how_right_it_is_and_writes_what_the_program_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.json"
    assert run(FEW, weights, check=False) == 0
    assert "6 lines; " in capsys.readouterr().out
    learner = Classifier.from_json(weights.read_text())
    assert (learner.digest, learner.classes) == (digest_of(FEW), ("issues", "service"))


def test_the_check_writes_nothing_and_fails_on_weights_of_other_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.json"
    run(FEW, weights, check=False)
    written = weights.read_text()
    assert run(FEW, weights, check=True) == 0
    assert run([*FEW, Line("hello", "general")], weights, check=True) == 1
    assert "Run this without --check" in capsys.readouterr().err
    assert weights.read_text() == written


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "x"}', '{"text": "x", "agent": "y", "more": 1}'])
def test_a_line_that_is_none_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text(f'{{"text": "x", "agent": "y"}}\n{line}\n')
    with pytest.raises(SystemExit, match=r"lines\.jsonl, line 2: write"):
        read_lines(path)


def test_without_a_checkout_the_command_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="Run this in a checkout"):
        read_lines(tmp_path / "training.jsonl")
