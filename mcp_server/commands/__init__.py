"""The larger commands of `shopfloor-mcp`: `backend check`, which tries a system of record, and `seed`, which fills one.

A command's own module says what it takes and shows; the modules beside it do the work, and print nothing.
"""
