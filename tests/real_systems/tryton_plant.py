"""Makes the company, the employee and the key of an empty Tryton database; runs in Tryton's own environment.

Arguments: the database, Tryton's configuration file, and the key that is to be valid.
"""

import importlib
import sys
from typing import Any

proteus: Any = importlib.import_module("proteus")  # not installed in our environment


def make(database: str, configuration: str, key: str) -> None:
    proteus.config.set_trytond(database, user="admin", config_file=configuration)
    company = _company()
    employee = proteus.Model.get("company.employee")(party=_party("Shopfloor"), company=company)
    employee.save()
    _let_in(company, employee, key)


def _party(name: str) -> Any:
    party = proteus.Model.get("party.party")(name=name)
    party.save()
    return party


def _company() -> Any:
    currency = proteus.Model.get("currency.currency")(name="Euro", symbol="€", code="EUR")
    currency.save()
    company = proteus.Model.get("company.company")(party=_party("Plant"), currency=currency)
    company.save()
    return company


def _let_in(company: Any, employee: Any, key: str) -> None:
    (user,) = proteus.Model.get("res.user").find([("login", "=", "admin")])
    user.companies.append(company)
    user.company = company
    user.employees.append(employee)
    user.employee = employee
    held = {group.id for group in user.groups}
    user.groups.extend(group for group in proteus.Model.get("res.group").find([]) if group.id not in held)
    user.save()
    proteus.Model.get("res.user.application")(user=user, application="rest", key=key).save()


if __name__ == "__main__":
    make(*sys.argv[1:])
