"""A REST system that one YAML file describes: how to sign in, list, create and change, and which column is which field.

`description` is the shape of the file, `loading` reads and checks it, `system` talks as it says. Three descriptions of
well-known systems stand in `examples/`. See docs/reference/backend-description.md for every key.
"""

from mcp_server.backends.described.description import Description
from mcp_server.backends.described.loading import load_description
from mcp_server.backends.described.system import open_described

__all__ = ["Description", "load_description", "open_described"]
