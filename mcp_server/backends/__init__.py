"""Where records live. `base.py` is the small port every backend fulfils; `sql/` is the embedded store and PostgreSQL,
`remote/` makes a backend of a system with an API, `fsmes/`, `tryton/` and `described/` are such systems.

Preconditions, idempotency, read-back, retry, breaker and audit are written once above the port, in `pipeline/`.
"""
