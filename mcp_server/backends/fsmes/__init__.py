"""FactorySemantics MES 0.4.2 as a system of record: machines, materials, specifications, counts, nonconformances,
maintenance and controlled documents, as far as its REST API has them.

`opening.py` reads the URL and signs in, `calls.py` knows its lists and writes, and one module a trade holds the
collections: `plant.py`, `specs.py`, `inspections.py`, `nonconformances.py`, `maintenance.py`, `documents.py`.
"""

from mcp_server.backends.fsmes.opening import open_fsmes
from mcp_server.backends.fsmes.system import FsmesSystem

__all__ = ["FsmesSystem", "open_fsmes"]
