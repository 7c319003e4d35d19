"""The agents: data in `definitions/*.md`, read by `registry.py`, run by `loop.py`.

To add one, write one Markdown file with front matter as in `schemas/agent.schema.json`; no code has to know it.
"""
