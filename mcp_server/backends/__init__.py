"""Where records live. `base.py` is the small port every backend fulfils; `sql/` is the embedded store.

Preconditions, idempotency, read-back, retry, breaker and audit are written once above the port, in `pipeline/`.
"""
