"""Logs of the client: structlog on stderr, so that stdout carries only the conversation or the data asked for."""

import logging
import sys
from typing import Literal

import structlog

__all__ = ["configure_logs"]


def configure_logs(level: Literal["debug", "info", "warning", "error"], form: Literal["text", "json"]) -> None:
    """Send our own and every library's log lines to stderr."""
    least = getattr(logging, level.upper())
    colors = sys.stderr.isatty()
    renderer = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=colors)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *((structlog.processors.format_exc_info,) if form == "json" else ()),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(least),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=least, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True)
