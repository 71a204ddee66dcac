"""Marks a project's snapshot as stale when its ratings change, or whose of them count; a flag is seen at once."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from annotate.agreement.services import mark_stale, put_flagged_into_queue
from annotate.projects.signals import exclusions_changed
from annotate.ratings.models import Flag
from annotate.ratings.signals import ratings_changed


@receiver([ratings_changed, exclusions_changed])
def on_ratings_changed(sender: Any, project_id: int, **kwargs: Any) -> None:
    mark_stale(project_id=project_id)


@receiver(post_save, sender=Flag)
def on_flag(sender: Any, instance: Flag, created: bool, **kwargs: Any) -> None:
    if created:
        put_flagged_into_queue(comparison_id=instance.comparison_id)
