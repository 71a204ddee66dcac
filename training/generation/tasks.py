"""The job of a generation."""
