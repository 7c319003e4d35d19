"""Which agents a message may be for, likeliest first. Pure: any router can offer the first three when a model fails."""

import math
from collections.abc import Mapping, Sequence

from orchestrator_client.models.guided.classifier import NOBODY, trained
from orchestrator_client.models.guided.similarity import Match, rank
from orchestrator_client.models.protocol import RouteOption

__all__ = ["ranked"]

_STEEPNESS = 14.0
_NEEDED = 0.34
_NEEDED_AGAINST_SURE = 0.28
_SAME = 0.97
"""Likeness from which a message counts as the example itself."""


def ranked(message: str, options: Sequence[RouteOption], fallback: str) -> list[Match]:
    """Every option once, with the probability that the message is for it; together 1 if the fallback is one.

    The trained classifier speaks for the agents it knows. What it gives to agents that are not among the options goes
    to the fallback. It does not know a new agent, which gets its share by likeness to its examples: little likeness
    is enough where no known agent fits, much is needed where one clearly does.
    """
    shares = _known_shares(message, options, fallback)
    likeness = {
        match.label: match.score for match in rank(message, {option.key: option.examples for option in options})
    }
    new = [option.key for option in options if option.key not in shares]
    if new:
        shares = _with_new(shares, {key: likeness[key] for key in new}, fallback)
    shares = _with_the_same(shares, likeness)
    return sorted((Match(option.key, shares[option.key]) for option in options), key=lambda match: -match.score)


def _known_shares(message: str, options: Sequence[RouteOption], fallback: str) -> dict[str, float]:
    keys = {option.key for option in options}
    chances = trained().probabilities(message)
    shares = {key: chance for key, chance in chances.items() if key in keys and key != NOBODY}
    if fallback in keys:
        shares[fallback] = max(0.0, 1.0 - sum(chance for key, chance in shares.items() if key != fallback))
    return shares


def _with_new(shares: Mapping[str, float], likeness: Mapping[str, float], fallback: str) -> dict[str, float]:
    """The new agents take a part of the whole, which the likest of them gets nearly alone."""
    surest = max((share for key, share in shares.items() if key != fallback), default=0.0)
    lead = max(likeness.values()) - _NEEDED - _NEEDED_AGAINST_SURE * surest
    part = 1 / (1 + math.exp(-_STEEPNESS * lead)) if shares else 1.0
    powers = {key: math.exp(_STEEPNESS * score) for key, score in likeness.items()}
    total = sum(powers.values())
    return {key: share * (1 - part) for key, share in shares.items()} | {
        key: part * power / total for key, power in powers.items()
    }


def _with_the_same(shares: Mapping[str, float], likeness: Mapping[str, float]) -> dict[str, float]:
    """An example of an agent is for that agent, also if it was added after the training."""
    same = [key for key, score in likeness.items() if score >= _SAME]
    if len(same) != 1:
        return dict(shares)
    (key,) = same
    raised = max(shares[key], 0.9)
    left = 1 - shares[key]
    scale = (1 - raised) / left if left else 0.0
    return {other: raised if other == key else share * scale for other, share in shares.items()}
