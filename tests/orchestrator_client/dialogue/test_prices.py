from decimal import Decimal

import pytest
from pydantic import ValidationError

from orchestrator_client.dialogue.prices import Price, cost
from orchestrator_client.dialogue.usage import NO_USAGE, Usage

PRICE = Price(input=Decimal(3), output=Decimal(15))


def test_input_and_output_have_their_own_price_per_million_tokens() -> None:
    assert cost(Usage(input_tokens=1_000_000, output_tokens=100_000), PRICE) == Decimal("4.5")
    assert cost(NO_USAGE, PRICE) == 0


def test_a_cached_token_is_paid_for_once_and_at_the_price_of_the_cache() -> None:
    usage = Usage(input_tokens=1_000_000, cache_read_tokens=500_000, cache_write_tokens=200_000)
    assert cost(usage, PRICE) == Decimal("0.9") + Decimal("0.15") + Decimal("0.75")


def test_prices_of_the_cache_can_be_given_and_may_be_zero() -> None:
    free = Price(input=Decimal(3), output=Decimal(15), cache_read=Decimal(0), cache_write=Decimal(6))
    assert cost(Usage(input_tokens=1_000_000, cache_read_tokens=1_000_000), free) == 0
    assert cost(Usage(input_tokens=1_000_000, cache_write_tokens=1_000_000), free) == 6


def test_a_server_that_counts_more_cached_than_input_tokens_pays_nobody_back() -> None:
    assert cost(Usage(input_tokens=1, cache_read_tokens=1_000_000), PRICE) == Decimal("0.3")


@pytest.mark.parametrize("wrong", [{"input": -1}, {"output": "NaN"}, {"cache_read": "Infinity"}, {"cash": 1}])
def test_a_price_is_a_plain_amount(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate({"input": 1, "output": 1} | wrong)
