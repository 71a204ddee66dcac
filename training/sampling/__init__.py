"""Sampling rounds: which comparisons to ask for next, and why."""
