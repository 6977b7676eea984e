"""LW-DNA: every unit is scored by one gradient pass over the latent vectors."""
