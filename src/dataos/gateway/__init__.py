"""Floor 7: SQL in, secured SQL out, rows back. The only way to run a statement (design: docs on the query gateway)."""
