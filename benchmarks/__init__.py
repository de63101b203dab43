"""Budgets, measured: `./dev bench [name ...] [--write]`."""
