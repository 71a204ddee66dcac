"""Marks a project's snapshot as stale when its ratings change, or whose of them count."""

from typing import Any

from django.dispatch import receiver

from annotate.agreement.services import mark_stale
from annotate.projects.signals import exclusions_changed
from annotate.ratings.signals import ratings_changed


@receiver([ratings_changed, exclusions_changed])
def on_ratings_changed(sender: Any, project_id: int, **kwargs: Any) -> None:
    mark_stale(project_id=project_id)
