"""The URL of a Tryton database: `tryton+https://host:port/database?company=1&employee=1`."""

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from mcp_server.errors import ConfigurationError

__all__ = ["Address", "address_of"]

_SCHEMES = {"tryton+http": "http", "tryton+https": "https"}
_FORM = "Give --backend as tryton+https://host:port/database, with ?company=1&employee=1 behind it if need be."


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is, and for which company and employee we act; None stands for the user's own."""

    base_url: str
    place: str
    database: str
    company: int | None
    employee: int | None


def address_of(url: str) -> Address:
    """The parts of the URL.

    Raises:
        ConfigurationError: it is not of that form.
    """
    try:
        parts = urlsplit(url)
        place = _place(parts)
    except ValueError:
        raise ConfigurationError("The URL of Tryton cannot be read.", suggestion=_FORM) from None
    if "@" in url:  # one behind a slash in the credential is in the path
        raise ConfigurationError(
            "The URL of Tryton carries a credential.",
            suggestion="Take it out, and put the user application's key into SHOPFLOOR_BACKEND_TOKEN.",
        )
    database = parts.path.strip("/")
    if parts.scheme not in _SCHEMES or not parts.hostname or not database or "/" in database or parts.fragment:
        raise ConfigurationError("The URL names no Tryton database.", suggestion=_FORM)
    company, employee = _acting_for(parts)
    return Address(f"{_SCHEMES[parts.scheme]}://{place}/{database}", place, database, company, employee)


def _place(parts: SplitResult) -> str:
    """Host and port, without a credential."""
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}{f':{parts.port}' if parts.port else ''}"


def _acting_for(parts: SplitResult) -> tuple[int | None, int | None]:
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    company, employee = given.pop("company", None), given.pop("employee", None)
    if given:
        raise ConfigurationError(f"The URL of Tryton has unknown settings: {', '.join(given)}.", suggestion=_FORM)
    return _number("company", company), _number("employee", employee)


def _number(name: str, value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        raise ConfigurationError(f"The {name} in the URL of Tryton is not a number.", suggestion=_FORM)
    return int(value)
