"""Generations: what was asked of which models, and which completions came of it."""

from django.db import models
from django.db.models import Q

from annotate.accounts.models import User
from annotate.common.models import TimestampedModel
from annotate.jobs.models import Job
from annotate.pool.models import Completion
from annotate.projects.models import Project


class Generation(TimestampedModel):
    """One run of generation for a project: prompts of its pool, a mix of sources, and what it brought.

    `options` is a GenerationOptions as JSON. `counts` grows with each batch that is stored: see `services.NO_COUNTS`.
    `finished_at` is null until every completion is stored; the job says why it is not.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="generations")
    number = models.PositiveIntegerField()
    options = models.JSONField()
    counts = models.JSONField(default=dict, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="generations_number_unique"),
            models.CheckConstraint(condition=Q(number__gte=1), name="generations_number_positive"),
        ]

    def __str__(self) -> str:
        return f"Generation {self.number}"


class GeneratedCompletion(models.Model):
    """A completion that a generation wrote. A text that the pool had before is not one: it stays its first source's."""

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="generated_completions")
    completion = models.ForeignKey(Completion, on_delete=models.CASCADE, related_name="generated_in")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["generation", "completion"], name="generated_completions_once"),
        ]
