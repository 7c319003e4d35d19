"""The validated call, one module a stage, in the order a call passes them.

arguments -> idempotency (recall) -> preconditions -> execution -> result check -> idempotency (remember) -> audit.
`declaration.py` says what a tool is; `call.py` runs the stages; the rest is one stage each.
"""
