"""The store on SQL: SQLAlchemy Core on one SQLite file, or on a PostgreSQL database that several servers share.

`tables.py` is the schema and `migrations/` brings a database to it. `engine.py` is what the store needs of an engine;
`sqlite.py` and `postgres.py` fulfil it, and `failures.py` says what their errors mean. `store.py` fulfils the port,
`seed.py` fills an empty store with the sample plant, `provision.py` and `provision_postgres.py` open one.
"""
