"""The only way from a request's identifier to a permitted job."""

import uuid

from annotate.accounts.models import User
from annotate.common.errors import not_found
from annotate.jobs.models import Job
from annotate.projects.access import access_project_by_id
from annotate.projects.models import Capability


def access_job(user: User, job_id: uuid.UUID, capability: Capability) -> Job:
    job = Job.objects.filter(pk=job_id).select_related("project").first()
    if job is None or job.project_id is None:
        raise not_found("job")
    access_project_by_id(user, job.project_id, capability)
    return job
