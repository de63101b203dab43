"""Floor 10: the block every runnable shares, the Stack protocol, launches, run history and logs."""
