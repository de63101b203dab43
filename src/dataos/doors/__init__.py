"""Floor 12: every protocol. Thin: parse the protocol, call the room, answer in the protocol's own form."""
