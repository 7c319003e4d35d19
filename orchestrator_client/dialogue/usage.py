"""What model calls cost: tokens as a model reported them, and what each call was for."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["NO_USAGE", "CallUsage", "Purpose", "Usage"]

Purpose = Literal["route", "topic", "agent", "summary"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input_tokens` counts all that went in; the two cache figures are parts of it."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class CallUsage:
    """One answered model call. `estimated_tokens` is what its input was thought to be before it was sent."""

    purpose: Purpose
    model: str
    usage: Usage
    estimated_tokens: int
    duration_ms: float
