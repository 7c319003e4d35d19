"""How we talk to a system with an API: one client, in which every failure and every status has one meaning.

`client.py` is what adapters use. `wire.py` sets up `httpx`, `exchange.py` sends one request, `refusals.py` says what
its end means, `wording.py` what the system said, `sign_in.py` keeps the session.
"""
