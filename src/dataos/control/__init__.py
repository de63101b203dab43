"""Floor 9: apply and plan, history, reconciler, garbage collection. Knows kinds by protocol only."""
