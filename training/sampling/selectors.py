"""Reads of sampling rounds."""

from django.db.models import Count, Q, QuerySet

from annotate.projects.models import Project
from training.sampling.models import SamplingRound


def sampling_rounds(project: Project) -> QuerySet[SamplingRound]:
    """Rounds with `n_chosen` comparisons, of which `n_rated` have ratings by now."""
    return (
        SamplingRound.objects.filter(project=project)
        .select_related("reward_model")
        .annotate(
            n_chosen=Count("sampled_comparisons"),
            n_rated=Count("sampled_comparisons", filter=Q(sampled_comparisons__comparison__n_ratings__gt=0)),
        )
    )
