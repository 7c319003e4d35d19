"""Trains the classifier of messages from a checkout: `python -m orchestrator_client.models.guided.train [--check]`.

Reads the labelled lines of `fixtures/routing/` and the examples of the shipped agents, and writes `weights.json`.
Deterministic, plain Python, about half a minute. `--check` writes nothing: it fails if the weights are not those of
today's data, and says how right the method is on lines it has not seen.
"""

import argparse
import hashlib
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import yaml

from orchestrator_client.models.guided.classifier import WEIGHTS, Classifier, Vector, softmax, vector
from orchestrator_client.models.guided.features import features

__all__ = ["Line", "digest_of", "fit", "main", "read_lines", "run", "training_lines"]

_PACKAGE = Path(__file__).parents[2]
_ROUTING = _PACKAGE.parent / "fixtures" / "routing"
_DEFINITIONS = _PACKAGE / "agents" / "definitions"
_METHOD = 1
"""Part of the digest: raise it when features or training change, so that old weights are found out."""

_SEED = 7
_EPOCHS = 12
_RATE = 0.5
_DECAY = 2e-4
_FEWEST_LINES = 2
_FOLDS = 5
_TEMPERATURES = [0.3 + 0.05 * step for step in range(60)]


@dataclass(frozen=True, slots=True)
class Line:
    """A message and the agent it is for."""

    text: str
    agent: str


def read_lines(path: Path) -> list[Line]:
    """One JSON object a line.

    Raises:
        SystemExit: the file is not there, or a line is not an object with `text` and `agent`.
    """
    if not path.is_file():
        sys.exit(f"{path.name} is not there. Run this in a checkout; the package alone has no training data.")
    lines: list[Line] = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = Line(**json.loads(text))
        except (ValueError, TypeError):
            sys.exit(f'{path.name}, line {number}: write {{"text": "...", "agent": "..."}}.')
        lines.append(line)
    return lines


def training_lines() -> list[Line]:
    """The labelled lines and the examples of the agents, in a fixed order, each text once."""
    lines = [*read_lines(_ROUTING / "training.jsonl"), *_examples()]
    return list({line.text.casefold(): line for line in lines}.values())


def _examples() -> list[Line]:
    found: list[Line] = []
    for path in sorted(_DEFINITIONS.glob("*.md")):
        front: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8").split("---\n")[1])
        several = [front["examples"], *(goal.get("examples", []) for goal in front.get("goals", []))]
        found += [Line(str(example), front["key"]) for examples in several for example in examples]
    return found


def digest_of(lines: Sequence[Line]) -> str:
    """Names the data and the method; the order of the lines does not matter."""
    told = sorted(f"{line.agent}\t{line.text}" for line in lines)
    return hashlib.sha256("\n".join([str(_METHOD), *told]).encode()).hexdigest()


def fit(lines: Sequence[Line]) -> Classifier:
    """Stochastic gradient descent with AdaGrad's step sizes over the lines in a shuffled, but fixed order."""
    classes = tuple(sorted({line.agent for line in lines}))
    rarity = _rarity(lines)
    weights = {feature: [0.0] * len(classes) for feature in rarity}
    bias = [0.0] * len(classes)
    learner = Classifier(classes, bias, weights, rarity, temperature=1.0)
    slopes = {feature: [1e-2] * len(classes) for feature in rarity}
    samples = [(vector(line.text, rarity), classes.index(line.agent)) for line in lines]
    order = random.Random(_SEED)  # noqa: S311 - the order of training, no secret
    for _ in range(_EPOCHS):
        order.shuffle(samples)
        for wanted, right in samples:
            errors = softmax(learner.scores(wanted))
            errors[right] -= 1.0
            for place, error in enumerate(errors):
                bias[place] -= 0.02 * error
            _step(wanted, errors, weights, slopes)
    return learner


def _step(
    wanted: Vector, errors: Sequence[float], weights: dict[str, list[float]], slopes: dict[str, list[float]]
) -> None:
    for feature, value in wanted.items():
        row, slope = weights[feature], slopes[feature]
        for place, error in enumerate(errors):
            gradient = error * value + _DECAY * row[place]
            slope[place] += gradient * gradient
            row[place] -= _RATE * gradient / math.sqrt(slope[place])


def _rarity(lines: Sequence[Line]) -> dict[str, float]:
    """Inverse document frequencies of the features that more than one line has."""
    seen = Counter(feature for line in lines for feature in features(line.text))
    return {
        feature: math.log((1 + len(lines)) / (1 + count)) + 1
        for feature, count in sorted(seen.items())
        if count >= _FEWEST_LINES
    }


def _cross_validated(lines: Sequence[Line]) -> list[tuple[Classifier, Line]]:
    """Every line with a classifier that has not seen it."""
    mixed = list(lines)
    random.Random(_SEED).shuffle(mixed)  # noqa: S311 - the folds, no secret
    judged: list[tuple[Classifier, Line]] = []
    for fold in range(_FOLDS):
        learner = fit([line for place, line in enumerate(mixed) if place % _FOLDS != fold])
        judged += [(learner, line) for line in mixed[fold::_FOLDS]]
    return judged


def _best_temperature(judged: Sequence[tuple[Classifier, Line]]) -> float:
    """The one under which the right classes of unseen lines are likeliest."""
    known = [
        (learner.scores(vector(line.text, learner.rarity)), learner.classes.index(line.agent))
        for learner, line in judged
    ]

    def surprise(temperature: float) -> float:
        return -sum(
            math.log(softmax([score / temperature for score in scores])[right] + 1e-12) for scores, right in known
        )

    return min(_TEMPERATURES, key=surprise)


def _right(judged: Sequence[tuple[Classifier, Line]]) -> float:
    hits = 0
    for learner, line in judged:
        chances = learner.probabilities(line.text)
        hits += max(chances, key=lambda label: chances[label]) == line.agent
    return hits / len(judged)


def run(lines: Sequence[Line], weights: Path, *, check: bool) -> int:
    """Trains on the lines and writes the weights, or checks them; the exit code."""
    digest = digest_of(lines)
    if check and Classifier.from_json(weights.read_text(encoding="utf-8")).digest != digest:
        _say(f"{weights.name} was trained on other data. Run this without --check.", sys.stderr)
        return 1
    judged = _cross_validated(lines)
    _say(f"{len(lines)} lines; {_right(judged):.1%} right in {_FOLDS}-fold cross-validation.")
    if not check:
        learner = replace(fit(lines), temperature=_best_temperature(judged), digest=digest)
        weights.write_text(learner.as_json(), encoding="utf-8")
        _say(f"Wrote {weights.name}, {weights.stat().st_size // 1024} KB.")
    return 0


def _say(text: str, stream: TextIO | None = None) -> None:
    print(text, file=stream)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m orchestrator_client.models.guided.train", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the weights are stale")
    check: bool = parser.parse_args().check
    return run(training_lines(), WEIGHTS, check=check)


if __name__ == "__main__":
    raise SystemExit(main())
