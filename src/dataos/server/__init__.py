"""Floor 13: the composition root. Settings in, objects wired, start and stop order."""
