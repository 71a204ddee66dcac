"""Rounds that somebody starts by hand, by a real worker with a real reward model."""

import pytest
from django.db import transaction

from annotate.common.errors import DomainError
from annotate.comparisons.services import lease
from annotate.jobs.models import Job, JobState
from tests.engine.conftest import tiny_base
from tests.training.ratings import make_prompt, running_job
from tests.training.refresh.conftest import wait_for
from tests.training.reward.registered import make_model, save_models
from training.exports.aggregation import split_of
from training.reward.models import RewardModelState
from training.sampling.models import RoundOpinion, SamplingRound
from training.sampling.options import SamplingOptions
from training.sampling.services import judge_rounds, request_round

__all__ = ["tiny_base"]


@pytest.mark.timeout(300)
def test_it_puts_chosen_comparisons_on_top_of_the_queue_and_says_why(cast, celery_workers, tiny_base, tmp_path):
    for number in range(6):
        make_prompt(cast.project, f"What is {number} + 1?", [f"It is {number + 1}.", "Ask somebody else.", "No idea"])
    directory = save_models(tiny_base, tmp_path)["single"]
    make_model(cast.project, RewardModelState.PROMOTED, artifact_uri=str(directory))
    client = cast.client(cast.researcher)
    url = f"/api/v1/projects/{cast.project.slug}/sampling-rounds"
    body = {"budget": 8, "random_share": 0.25, "acquisition": "gap"}
    answer = client.post(url, body, format="json")
    assert answer.status_code == 201, answer.json()
    made = SamplingRound.objects.get()
    assert made.options["acquisition"] == "gap" and made.created_by == cast.researcher
    job = Job.objects.get(kind="sample")
    assert job.pk == made.job_id
    wait_for(lambda: Job.objects.get(pk=job.pk).is_finished, 240, "the round's job")
    job.refresh_from_db()
    assert (job.state, job.error_message) == ("succeeded", "")
    assert job.result == {"sampling_round": 1, "n_candidates": 18, "n_chosen": 8}

    made.refresh_from_db()
    assert (made.report["n_clusters"], made.report["coverage"][0]["before"]) == (len(made.report["coverage"]), 0)
    assert sum(row["chosen"] for row in made.report["coverage"]) == 8
    assert made.mix == {"external": 18}
    chosen = list(made.sampled_comparisons.order_by("rank"))
    assert sum(one.is_random for one in chosen) == 2
    assert all("gap" in one.terms for one in chosen)
    assert all(one.cluster is not None for one in chosen)
    assert [one.priority_before for one in chosen] == [0] * 8
    (assignment,) = lease(seat=cast.seat(cast.labeller), n=1)
    assert assignment.comparison_id == chosen[0].comparison_id
    detail = client.get(f"{url}/{made.pk}").json()
    assert (detail["n_chosen"], detail["job"]["state"]) == (8, "succeeded")


def test_a_later_model_is_asked_about_held_out_prompts_of_the_random_part(cast, comparisons, draw, tiny_base, tmp_path):
    made = [one for one in comparisons(40) if split_of(one.prompt.digest) != "train"][:3]
    made += [one for one in comparisons(20) if split_of(one.prompt.digest) == "train"][:1]
    drawn = draw(made, random=(0, 1, 3), gaps=[1.0] * 4)
    directory = save_models(tiny_base, tmp_path)["single"]
    later = make_model(cast.project, artifact_uri=str(directory))
    assert judge_rounds(model=later, context=running_job(cast.project, "judge_rounds")) == 2
    told = list(RoundOpinion.objects.order_by("sampled__rank").values_list("sampled__rank", "reward_model", "gap"))
    assert [(rank, model) for rank, model, _ in told] == [(0, later.pk), (1, later.pk)]
    assert all(abs(gap) > 1e-4 for _, _, gap in told)
    assert judge_rounds(model=later, context=running_job(cast.project, "judge_rounds")) == 0
    # The model that drew it is none of the later ones.
    assert judge_rounds(model=drawn.reward_model, context=running_job(cast.project, "judge_rounds")) == 0


def test_without_a_promoted_model_it_says_what_to_do(cast):
    with pytest.raises(DomainError) as refusal:
        request_round(project=cast.project, options=SamplingOptions(), created_by=None)
    assert refusal.value.code == "no_reward_model"
    training = make_model(cast.project, RewardModelState.TRAINING)
    with pytest.raises(DomainError) as refusal:
        request_round(project=cast.project, options=SamplingOptions(), model=training, created_by=None)
    assert refusal.value.code == "not_trained"


def test_two_rounds_are_not_drawn_at_once(cast):
    make_model(cast.project, RewardModelState.PROMOTED)
    first = request_round(project=cast.project, options=SamplingOptions(), created_by=cast.researcher)
    with pytest.raises(DomainError) as refusal, transaction.atomic():
        request_round(project=cast.project, options=SamplingOptions(), created_by=cast.researcher)
    assert refusal.value.code == "round_running"
    assert refusal.value.extra["sampling_round"] == {"id": first.pk, "number": 1}
    Job.objects.filter(kind="sample").update(state=JobState.CANCELLED, finished_at=first.created_at)
    second = request_round(project=cast.project, options=SamplingOptions(seed=3), created_by=cast.researcher)
    assert (second.number, second.seed, second.options["seed"]) == (2, 5, 3)
