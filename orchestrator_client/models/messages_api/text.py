"""Tokens of chat templates in text, and where an answer really ends.

Small models write white space until their tokens are used up, or go on after the token that should have ended their
turn. White space is held back until something follows it, so that none of an endless tail is shown. In the other
direction, local servers read such a token in anybody's words as the end of a turn.
"""

import re
from collections.abc import Collection
from typing import Final

__all__ = ["MOST_BLANKS", "TEMPLATE_TOKENS", "AnswerText", "inert", "trailing_blanks"]

MOST_BLANKS: Final = 200
"""White-space characters in a row that no answer needs."""

TEMPLATE_TOKENS: Final = (
    "<|im_end|>",
    "<|im_start|>",
    "<|end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<end_of_turn>",
    "<start_of_turn>",
    "[INST]",
    "[/INST]",
    "</s>",
)
"""Marks of a turn in the chat templates of common local models; a server should never let them through."""


_TOKEN: Final = re.compile("|".join(map(re.escape, TEMPLATE_TOKENS)))


def inert(text: str) -> str:
    """The text with a space inside each token: readable, and no token."""
    return _TOKEN.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text)


def trailing_blanks(text: str) -> int:
    return len(text) - len(text.rstrip())


class AnswerText:
    """Takes the pieces of an answer's text; `ended` once nothing more of it is wanted."""

    def __init__(self, end_tokens: Collection[str]) -> None:
        self._token = re.compile("|".join(map(re.escape, end_tokens))) if end_tokens else None
        self._beginnings = frozenset(token[:length] for token in end_tokens for length in range(1, len(token)))
        self._longest = max(map(len, self._beginnings), default=0)
        self._held = ""
        self.ended = False

    def push(self, piece: str) -> str:
        """Returns the text that is certain now."""
        if self.ended:
            return ""
        self._held += piece
        if self._token and (token := self._token.search(self._held)):
            return self._end_with(self._held[: token.start()].rstrip())
        text = self._held.rstrip()
        if len(self._held) - len(text) > MOST_BLANKS:
            return self._end_with(text)
        if text == self._held:
            text = text[: len(text) - self._begun(text)].rstrip()
        self._held = self._held[len(text) :]
        return text

    def flush(self) -> str:
        """Returns what was held back: nothing followed it."""
        text, self._held = self._held, ""
        return text

    def _end_with(self, text: str) -> str:
        self.ended = True
        self._held = ""
        return text

    def _begun(self, text: str) -> int:
        """How many characters at the end may be the beginning of a token."""
        lengths = range(min(self._longest, len(text)), 0, -1)
        return next((length for length in lengths if text[-length:] in self._beginnings), 0)
