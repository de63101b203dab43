"""Maintenance of Iceberg tables that reads and writes data files: a client of the catalog, never in the server.

Flare's actions call `rewriting.rewrite` inside of a job; `python -m dataos.stacks.flare.driver.upkeep` is a program of
its own, which the server starts for `dataos dataset compact`.
"""
