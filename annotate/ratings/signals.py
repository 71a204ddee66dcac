"""Tells whoever keeps figures of a project that its ratings, flags or adjudications changed."""

from django.dispatch import Signal

# Sent with `project_id`, inside the transaction that makes the change.
ratings_changed = Signal()
