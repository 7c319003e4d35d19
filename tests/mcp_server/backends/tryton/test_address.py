import pytest

from mcp_server.backends.tryton.address import Address, address_of
from mcp_server.errors import ConfigurationError


def test_the_parts_of_a_url_are_told_apart() -> None:
    assert address_of("tryton+https://erp.example.com/factory?company=2&employee=30") == Address(
        "https://erp.example.com/factory", "erp.example.com", "factory", 2, 30
    )


def test_a_host_is_written_in_one_way() -> None:
    address = address_of("tryton+http://[::1]:8000/factory")
    assert (address.base_url, address.place) == ("http://[::1]:8000/factory", "[::1]:8000")
    assert address_of("tryton+https://ERP.example.com/factory").place == "erp.example.com"


def test_the_users_own_company_needs_no_naming() -> None:
    assert address_of("tryton+http://127.0.0.1:8000/factory/") == Address(
        "http://127.0.0.1:8000/factory", "127.0.0.1:8000", "factory", None, None
    )


@pytest.mark.parametrize(
    "url",
    [
        "tryton+http://127.0.0.1:8000",
        "tryton+http://127.0.0.1:8000/",
        "tryton+http:///factory",
        "tryton+http://127.0.0.1:8000/factory/rest",
        "tryton+http://127.0.0.1:8000/factory#x",
        "tryton+http://127.0.0.1:99999/factory",
        "tryton+ftp://127.0.0.1/factory",
        "http://127.0.0.1:8000/factory",
        "tryton+http://[::1/factory",
        "tryton+http://127.0.0.1:8000/factory?company=",
        "tryton+http://127.0.0.1:8000/factory?company=one",
        "tryton+http://127.0.0.1:8000/factory?companies=1",
    ],
)
def test_another_url_is_refused_with_the_form_it_should_have(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"tryton\+https://host:port/database"):
        address_of(url)


@pytest.mark.parametrize("credential", ["admin:geheim", "admin:12/geheim", "geheim"])
def test_a_credential_in_the_url_is_refused_and_not_repeated(credential: str) -> None:
    with pytest.raises(ConfigurationError, match="SHOPFLOOR_BACKEND_TOKEN") as caught:
        address_of(f"tryton+http://{credential}@127.0.0.1:8000/factory")
    assert "geheim" not in str(caught.value)
