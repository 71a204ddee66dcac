"""Judging comparisons with a language model by the principles of a constitution (Bai et al. 2022)."""
