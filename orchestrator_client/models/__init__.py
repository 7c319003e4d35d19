"""The LLM border: one protocol, three models behind it.

`protocol.py` is what a model is asked and answers. `anthropic.py` talks to Claude or any server of the Messages API,
`guided/` fills in forms without any LLM, `scripted.py` is the public test double.
"""
