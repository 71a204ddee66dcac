"""Drift reports: how far what the policy writes is from what a reward model was trained on."""
