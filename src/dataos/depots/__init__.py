"""Floor 4: what a depot type can do, how to reach it, and addresses to connections. Imports no higher room."""
