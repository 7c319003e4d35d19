"""Shopfloor's client: routes a message to one agent, runs it with checked tools, and knows when the task is done.

Start reading at `orchestrator.py`; it is the only module that knows the whole way. `dialogue/` holds the pure state,
`models/` the LLM border, `tools/` the MCP border, `agents/definitions/` everything that is about manufacturing.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
