"""Floor 1: errors, settings, names, addresses, clock, ids, bell, logging. Imports nothing of ours."""
