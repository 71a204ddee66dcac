"""Policies: the models that write completions, from the base model on."""
