"""Which of our keys is which reference of the system's, for columns that refer to another kind of record."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from mcp_server.backends.remote.port import Row

__all__ = ["References"]

Pages = Callable[[], AsyncIterator[Sequence[Row]]]


class References:
    """Learned from the lists of the kinds that are referred to, and again whenever one is met that is not known."""

    def __init__(self) -> None:
        self._pages: dict[str, Pages] = {}
        self._refs: dict[str, dict[str, str]] = {}
        self._keys: dict[str, dict[str, str]] = {}

    def told_by(self, kind: str, pages: Pages) -> None:
        self._pages[kind] = pages
        self._refs[kind] = {}
        self._keys[kind] = {}

    def ways(self, kind: str) -> tuple[Callable[[str], str], Callable[[str], str]]:
        """From a key to its reference (a `LookupError` where there is none), and back (an unknown one is the key)."""
        return (lambda key: self._refs[kind][key]), (lambda ref: self._keys[kind].get(ref, ref))

    async def know(self, kind: str, *, keys: Iterable[str] = (), refs: Iterable[str] = ()) -> None:
        """Learn what these are, unless it is known."""
        if set(keys) <= self._refs[kind].keys() and set(refs) <= self._keys[kind].keys():
            return
        async for page in self._pages[kind]():
            for row in page:
                self._refs[kind][row.key] = row.ref
                self._keys[kind][row.ref] = row.key
