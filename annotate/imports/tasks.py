"""The job that brings a file in."""

from typing import Any

from annotate.imports.models import Import
from annotate.imports.services import forget_upload, run_import
from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.jobs.registry import job_kind


def _ended(job: Any) -> None:
    assert isinstance(job, Job)
    forget_upload(job=job)


@job_kind("import", on_end=_ended)
def import_file(context: JobContext) -> dict[str, Any]:
    run = Import.objects.select_related("project__pool").get(job=context.job)
    return run_import(run=run, context=context)
