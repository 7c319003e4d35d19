"""The validated call, one module a stage, in the order a call passes them.

arguments -> idempotency (recall) -> preconditions -> execution -> result check -> idempotency (remember) -> audit.
`declaration.py` says what a tool is; `call.py` runs the stages; the rest is one stage each.

Of a write, everything from the recall to the audit row happens inside one unit of work, so that what a precondition
found still holds at the commit. The recall comes first: a repeated call must get the first one's answer, not a
refusal because of the very record that the first one made.
"""
