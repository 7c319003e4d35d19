"""Agents that a router could not tell apart: their examples and descriptions are too much alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from orchestrator_client.models.guided.similarity import rank
from orchestrator_client.models.protocol import RouteOption

__all__ = ["TOO_MUCH_ALIKE", "Overlap", "overlaps_in"]

TOO_MUCH_ALIKE = 0.45
"""Likeness, 0 to 1, of all that two agents say of themselves.

The shipped agents are alike up to 0.23, twins in other words from 0.55 on.
"""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two agents that compete for the same messages; `example` is a message both claim, word for word."""

    first: str
    second: str
    score: float
    example: str | None = None

    def __str__(self) -> str:
        if self.example is not None:
            return f'{self.first} and {self.second} both give the example "{self.example}". Take it from one of them.'
        return (
            f"{self.first} and {self.second} describe themselves much alike ({self.score:.0%}). Say in their "
            "descriptions and examples what only one of them does, or make them one agent."
        )


def overlaps_in(options: Sequence[RouteOption]) -> tuple[Overlap, ...]:
    """Every pair of agents that are too much alike or share an example, the most alike first."""
    texts = {option.key: (" ".join((option.description, *option.examples)),) for option in options}
    alike = {
        option.key: {match.label: match.score for match in rank(texts[option.key][0], texts)} for option in options
    }
    found: list[Overlap] = []
    for first, second in combinations(options, 2):
        score = min(1.0, alike[first.key][second.key])
        example = next(_shared(first, second), None)
        if example is not None or score >= TOO_MUCH_ALIKE:
            found.append(Overlap(first.key, second.key, score, example))
    return tuple(sorted(found, key=lambda overlap: -overlap.score))


def _shared(first: RouteOption, second: RouteOption) -> Iterator[str]:
    theirs = {_folded(example) for example in second.examples}
    return (example for example in first.examples if _folded(example) in theirs)


def _folded(example: str) -> str:
    return " ".join(example.casefold().split()).rstrip(".?!")
