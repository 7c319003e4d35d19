"""The entry of `shopfloor-mcp`. Serving on stdio starts with the front, before anything heavy is imported."""

import sys
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["main"]


def main() -> None:
    if _serves_stdio(sys.argv[1:]):
        from mcp_server.transports import fast_front

        fast_front.start()
    from mcp_server.cli import app

    app()


def _serves_stdio(arguments: Sequence[str]) -> bool:
    """Whether the command is `serve` over stdio; a request for help is not."""
    serves = arguments[:1] == ["serve"] and not {"-h", "--help"} & set(arguments)
    values = [value for name, value in pairwise(arguments) if name == "--transport"]
    values += [argument.partition("=")[2] for argument in arguments if argument.startswith("--transport=")]
    return serves and "http" not in values


if __name__ == "__main__":
    main()
