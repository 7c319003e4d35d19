"""The embedded store: SQLAlchemy Core on SQLite.

`tables.py` is the schema, `migrations/` brings a file to it, `engine.py` opens the file safely, `store.py` fulfils the
port, `seed.py` fills an empty store with the sample plant.
"""
