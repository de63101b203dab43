"""Floor 3: identities, tokens, vault, decisions. Policies, masks and grants join in part 4."""
