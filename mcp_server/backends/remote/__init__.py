"""A system of record that is reached over a network: its port, and everything that is the same for all of them.

`port.py` is what an adapter fulfils, `http.py` how it talks, `federation.py` and its neighbors make a `Backend` of one
such system and the companion store, which keeps what the system cannot hold.
"""
