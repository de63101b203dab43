"""Floor 3: where a process runs. Start, observe, stop, logs, limits, re-adopt. Knows processes, not Resources."""
