"""Maintenance: recurrence, meters, plans, work orders, lockout, figures."""
