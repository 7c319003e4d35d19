"""Procedures: takt and balance, work instructions, hazard statements."""
