"""Where a tool server is: a URL to call, or a command to launch."""

import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from orchestrator_client.errors import ConfigurationError

__all__ = ["Target", "default_target", "parse_target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Either `url` (Streamable HTTP) or `command` (stdio) is set; `headers` go with every HTTP request."""

    url: str | None = None
    command: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def label(self) -> str:
        """How messages name this server: never with credentials, arguments or a query."""
        if self.url is None:
            return self.command[0]
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def parse_target(text: str, *, headers: Mapping[str, str] | None = None) -> Target:
    """Read an http(s) URL or a command line.

    Raises:
        ConfigurationError: Neither can be made of the text.
    """
    text = text.strip()
    if text.lower().startswith(("http://", "https://")):
        return Target(url=_checked_url(text), headers=dict(headers or {}))
    try:
        command = tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigurationError(
            f"The command of the tool server cannot be read: {error}.", suggestion="Close every quotation mark."
        ) from error
    if not command:
        raise ConfigurationError(
            "No tool server is given.", suggestion="Give an http(s) URL or a command, such as shopfloor-mcp serve."
        )
    return Target(command=command)


def default_target(extra_args: Iterable[str] = ()) -> Target:
    """Our own server as a child process of this Python."""
    return Target(command=(sys.executable, "-m", "mcp_server", "serve", *extra_args))


def _checked_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            "The URL of the tool server has no usable host or port.",
            suggestion="Write it as http://host:port/mcp.",
        )
    return text
