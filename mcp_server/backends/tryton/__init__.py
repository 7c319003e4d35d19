"""Tryton 8.2 over its REST API: work centers, products, control points and quality alerts as our records.

`system.py` opens it, `collection.py` is what all four have in common, `plant.py` and `quality.py` say how each is kept.
Inspections, maintenance and documents are not here: Tryton has no place that holds them as they are.
"""

from mcp_server.backends.tryton.system import TrytonSystem, open_tryton

__all__ = ["TrytonSystem", "open_tryton"]
