"""Ratings (append-only), flags and adjudications."""
