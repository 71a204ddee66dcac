"""The job that optimises a policy."""

from typing import Any

from annotate.jobs.context import JobContext
from annotate.jobs.models import Job
from annotate.jobs.registry import job_kind
from training.policy_runs import running, services
from training.policy_runs.models import PolicyRun


def _ended(job: Job) -> None:
    services.run_ended(job=job)


@job_kind("optimise_policy", queue="gpu", on_end=_ended)
def optimise_policy(context: JobContext) -> dict[str, Any]:
    """Called again, it goes on from the engine's checkpoint."""
    run = PolicyRun.objects.select_related(
        "project__pool", "reward_model__project", "combined_model__project", "gold_model__project"
    ).get(pk=context.job.params["policy_run"])
    run = running.run_policy(run=run, context=context)
    return {"policy_run": run.number, "checkpoint": run.checkpoint_id, "stop_reason": run.stop_reason}
