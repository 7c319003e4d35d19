"""Real systems of record, started on loopback. `make backends` runs this folder; plain `pytest` does not."""
