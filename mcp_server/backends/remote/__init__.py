"""A system of record that is reached over a network, and the companion store that keeps what it cannot hold, as one.

`port.py` is what an adapter fulfils; `fsmes/`, `tryton/` and `described/` beside this folder are three. `federation.py`
makes a `Backend` of one: `reading.py` and `merging.py` show both stores as one, `unit.py`, `sending.py` and `step.py`
write, each record once.
"""
