"""The MCP border of the client.

`connection.py` keeps one connection to a server alive across restarts; `executor.py` is the only way to call a tool:
arguments and results are checked against the published schemas, failures are classified, safe calls are retried.
"""
