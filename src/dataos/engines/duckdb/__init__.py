"""The embedded engine: DuckDB in a process of its own. Only `process.py` and `attaching.py` import duckdb."""
