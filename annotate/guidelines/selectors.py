"""Reads of guidelines."""

from django.db.models import QuerySet

from annotate.guidelines.models import GuidelineVersion
from annotate.projects.models import Project


def versions(project: Project) -> QuerySet[GuidelineVersion]:
    return project.guideline_versions.select_related("author").prefetch_related("examples")


def current_version(project: Project) -> GuidelineVersion | None:
    """The version that labellers rate under; None before the first is published."""
    return project.guideline_versions.order_by("-number").first()
