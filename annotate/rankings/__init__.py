"""Rankings of three to nine completions of one prompt, stored as ratings of all their pairs."""
