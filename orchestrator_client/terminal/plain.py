"""Text from elsewhere, made harmless: it can neither steer the terminal nor be read as markup."""

from rich.markup import escape

__all__ = ["harmless", "plain"]

_KEPT = frozenset("\n\t")


def plain(text: str) -> str:
    """Text without control characters, so that nothing stored can steer the terminal; odd spaces become plain ones."""
    return "".join(c if c.isprintable() or c in _KEPT else " " * c.isspace() for c in text)


def harmless(text: str) -> str:
    """The same as markup that shows it letter for letter."""
    return escape(plain(text))
