"""What a server of the Messages API can do: known of Claude's own, assumed or found out of any other."""

from collections.abc import Collection
from typing import TypedDict

from orchestrator_client.errors import ModelRejected
from orchestrator_client.models.messages_api.request import OptionalField
from orchestrator_client.models.protocol import Capabilities

__all__ = ["CapabilityOverrides", "FieldsRefused", "Server"]


class CapabilityOverrides(TypedDict, total=False):
    """What a user knows about the server. None leaves it to the kind of server, as if it were not given."""

    strict_tools: bool | None
    caching: bool | None
    token_counting: bool | None


class FieldsRefused(ModelRejected):
    """The server refused the request and named optional fields as the reason."""

    def __init__(self, message: str, *, suggestion: str, fields: frozenset[OptionalField]) -> None:
        super().__init__(message, suggestion=suggestion)
        self.fields = fields


class Server:
    """Claude's own API can do everything; another one is asked for no strict tools and no caching.

    `lacks` and `counts` change when a server turns out to be different.
    """

    def __init__(self, *, is_real_api: bool, overrides: CapabilityOverrides) -> None:
        strict = _chosen(overrides.get("strict_tools"), is_real_api)
        caching = _chosen(overrides.get("caching"), is_real_api)
        self.lacks = _missing(strict=strict, cache_control=caching)
        self.counts = _chosen(overrides.get("token_counting"), True)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            strict_tools="strict" not in self.lacks,
            caching="cache_control" not in self.lacks,
            token_counting=self.counts,
        )

    def learn(self, lacks: Collection[OptionalField]) -> None:
        self.lacks |= frozenset(lacks)


def _chosen(override: bool | None, otherwise: bool) -> bool:
    return otherwise if override is None else override


def _missing(*, strict: bool, cache_control: bool) -> frozenset[OptionalField]:
    missing: list[OptionalField] = []
    if not strict:
        missing.append("strict")
    if not cache_control:
        missing.append("cache_control")
    return frozenset(missing)
