"""Shopfloor's MCP server: validated manufacturing tools over the plant's system of record.

A call passes the stages of `pipeline/` in order; what a tool is stands in one declaration in `tools/`; the rules of
the trade are pure functions in `domain/`; where records live is behind `backends/base.py`.
"""
