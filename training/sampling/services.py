"""Making sampling rounds: the only writer of their rows and of the priorities they give."""

from django.db import transaction
from django.db.models import Max

from annotate.accounts.models import User
from annotate.jobs.models import Job
from annotate.projects.models import Project
from training.reward.models import RewardModel
from training.sampling.models import SamplingRound
from training.sampling.options import MAX_BUDGET, SamplingOptions

# A later round stands above an earlier one, and within a round the rank decides.
PRIORITY_OF_A_ROUND = 2 * MAX_BUDGET


@transaction.atomic
def create_round(
    *,
    project: Project,
    model: RewardModel,
    options: SamplingOptions,
    job: Job | None = None,
    created_by: User | None = None,
) -> SamplingRound:
    """Make the row of a round that is to be drawn. Locks the project's row, so that numbers do not collide."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    latest = project.sampling_rounds.aggregate(latest=Max("number"))["latest"] or 0
    made = SamplingRound(
        project=project,
        number=latest + 1,
        reward_model=model,
        acquisition=options.acquisition,
        budget=options.budget,
        random_share=options.random_share,
        # Its own draws in every round; a round that is run again draws the same.
        seed=options.seed + latest + 1,
        job=job,
        created_by=created_by,
    )
    made.full_clean()
    made.save()
    return made
