"""Which comparisons to ask for next: scores of pairs by a reward model, and a choice of a batch among them."""
