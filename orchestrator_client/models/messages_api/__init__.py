"""Claude, or any server that speaks the Messages API.

`model.py` is the `Model`; the way of one call: `request.py` writes the parameters, `wire.py` sends them and reads the
events, `reply.py` puts the answer together, `errors.py` classes what went wrong. `server.py` and `windows.py` know what
a server can do, `text.py` and `fenced_calls.py` survive the odd answers of small models.
"""

from orchestrator_client.models.messages_api.model import AnthropicModel

__all__ = ["AnthropicModel"]
