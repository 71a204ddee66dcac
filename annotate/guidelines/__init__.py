"""Versioned guidelines and their worked examples."""
