"""The guided model: no LLM and no key. It fills in the form a goal tool's JSON Schema describes, and says so.

It asks for one field at a time, offers choices from the server's own read-only tools, checks each answer at once, lets
the server check the whole in a dry run, shows a summary, and calls the tool only after a yes. It routes with a small
trained classifier; agents that it was not trained for, and goals, are chosen by likeness to their examples.
"""

from orchestrator_client.models.guided.model import GuidedModel

__all__ = ["GuidedModel"]
