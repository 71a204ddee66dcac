"""The demo world: a simulator whose truth is known, and the command that seeds and removes it."""
