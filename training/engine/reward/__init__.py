"""Reward models: the scalar head on the final token, its loss, training, evaluation and scoring in Python."""
