"""A Tryton database as a remote system."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from mcp_server.backends.remote.port import Collection, SystemInfo
from mcp_server.backends.tryton.address import Address, address_of
from mcp_server.backends.tryton.client import TrytonClient, connected
from mcp_server.backends.tryton.collection import TrytonCollection
from mcp_server.backends.tryton.plant import MACHINES, MATERIALS, Materials
from mcp_server.backends.tryton.quality import SPECS, Issues, Specs, issues_kept
from mcp_server.domain.records import Issue, Machine, Material, Record, Spec
from mcp_server.errors import ConfigurationError

__all__ = ["TrytonSystem", "open_tryton"]

_MODULES = {MACHINES.model: MACHINES.module, MATERIALS.model: MATERIALS.module}
