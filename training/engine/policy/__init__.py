"""Policies trained against a frozen reward model, and the watch over what they do to it."""
