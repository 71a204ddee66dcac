"""What changes of a project mean for its comparisons."""

from typing import Any

from django.db import transaction
from django.dispatch import receiver

from annotate.comparisons.tasks import mark_sensitive
from annotate.projects.signals import project_changed


@receiver(project_changed)
def on_project_changed(sender: Any, project_id: int, changed: set[str], **kwargs: Any) -> None:
    if "sensitive_tags" in changed:
        transaction.on_commit(lambda: mark_sensitive.delay(project_id))
