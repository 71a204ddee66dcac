"""Publishing guidelines."""

from typing import Any

from django.db import transaction
from django.db.models import Max

from annotate.accounts.models import User
from annotate.guidelines.models import GuidelineVersion, WorkedExample
from annotate.projects.models import Project


@transaction.atomic
def publish_guidelines(
    *, project: Project, author: User | None, body: str, change_note: str = "", examples: list[dict[str, Any]]
) -> GuidelineVersion:
    """Publish the next version. Locks the project's row, so that two authors get two numbers."""
    Project.objects.select_for_update().get(pk=project.pk)
    latest = project.guideline_versions.aggregate(latest=Max("number"))["latest"] or 0
    version = GuidelineVersion(project=project, number=latest + 1, body=body, change_note=change_note, author=author)
    version.full_clean()
    version.save()
    for position, fields in enumerate(examples):
        example = WorkedExample(version=version, position=position, **fields)
        example.full_clean()
        example.save()
    return version
