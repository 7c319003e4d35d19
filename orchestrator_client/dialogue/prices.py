"""What model calls cost in money, at prices a person has set."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from orchestrator_client.dialogue.usage import Usage

__all__ = ["Price", "cost"]

_PER = Decimal(1_000_000)
# What the Messages API asks for cached tokens, as parts of the price of other input.
_CACHE_READ = Decimal("0.1")
_CACHE_WRITE = Decimal("1.25")

Dollars = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Price(BaseModel):
    """US dollars per million tokens of one model. A cache price left out is 0.1 (read) or 1.25 (write) of `input`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    input: Dollars
    output: Dollars
    cache_read: Dollars | None = None
    cache_write: Dollars | None = None


def cost(usage: Usage, price: Price) -> Decimal:
    """US dollars. The cached tokens are parts of `input_tokens`, and each token is paid for once."""
    uncached = max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens)
    read = price.input * _CACHE_READ if price.cache_read is None else price.cache_read
    write = price.input * _CACHE_WRITE if price.cache_write is None else price.cache_write
    return (
        uncached * price.input
        + usage.cache_read_tokens * read
        + usage.cache_write_tokens * write
        + usage.output_tokens * price.output
    ) / _PER
