"""What a model that reads no tokens says of itself."""

from orchestrator_client.models.protocol import Capabilities, ModelRequest

__all__ = ["Tokenless"]


class Tokenless:
    """The part of a `Model` beside its name and its replies, for models that are no LLM."""

    capabilities = Capabilities(strict_tools=True, caching=False, token_counting=False, summaries=False)

    async def count_tokens(self, request: ModelRequest) -> int | None:  # noqa: ARG002 - the border's signature
        return None

    async def window_tokens(self) -> int | None:
        return None

    async def aclose(self) -> None:
        """Nothing is held open."""
