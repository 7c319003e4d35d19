"""How a command runs, ends and prints: data goes to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["FAILED", "INTERRUPTED", "WRONG_USAGE", "console", "fail", "print_json", "remark", "run", "wrong_usage"]

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130

T = TypeVar("T")


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run a command to its end; an error that the person can act on ends the program."""
    import anyio

    from orchestrator_client.errors import ClientError

    try:
        return anyio.run(main)
    except ClientError as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def fail(message: str) -> NoReturn:
    remark(f"error: {message}")
    raise typer.Exit(FAILED) from None


def wrong_usage(message: str, suggestion: str) -> NoReturn:
    remark(f"error: {message} {suggestion}")
    raise typer.Exit(WRONG_USAGE)


def remark(text: str) -> None:
    """Tell the person something that is no data."""
    from orchestrator_client.terminal.plain import plain

    typer.echo(plain(text), err=True)


def print_json(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode())


def console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)
