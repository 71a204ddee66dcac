"""Prompts, completion sources, completions, and the imports that bring them in."""
