"""Comparison sets: filters over ratings, written as Parquet shards with a manifest."""
