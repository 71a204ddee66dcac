"""Drift: how far what the policy writes now is from what a reward model was trained on."""
