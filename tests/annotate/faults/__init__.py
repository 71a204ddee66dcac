"""Processes are killed while labellers work: what was acknowledged stays, once."""
