"""The jobs that write a comparison set and sort prompts into clusters."""

from typing import Any

from annotate.jobs.context import JobContext
from annotate.jobs.registry import job_kind
from training.exports.clusters import cluster_prompts
from training.exports.models import ComparisonSet
from training.exports.services import write_comparison_set


@job_kind("export")
def export(context: JobContext) -> dict[str, Any]:
    comparison_set = ComparisonSet.objects.select_related("project").get(pk=context.job.params["comparison_set"])
    written = write_comparison_set(comparison_set=comparison_set, context=context)
    return {"comparison_set": written.pk, "number": written.number, "counts": written.counts, "digest": written.digest}


@job_kind("cluster", queue="gpu")
def cluster(context: JobContext) -> dict[str, Any]:
    assert context.job.project is not None
    return cluster_prompts(pool=context.job.project.pool, context=context)
