"""Training, evaluating and judging label noise with the real engine and a model that learns in seconds."""

import json
from pathlib import Path

import pytest

from annotate.agreement.models import CrossFittedOpinion
from annotate.jobs.models import Job
from annotate.projects.models import Project
from tests.training.ratings import running_job
from tests.training.real import TINY_BASE, load_pandalm
from training.exports.models import ComparisonSet
from training.exports.services import create_comparison_set, write_comparison_set
from training.exports.spec import Spec
from training.policy.services import BaseModel, ensure_base_model
from training.reward import noise, services
from training.reward.models import CrossFit, RewardModel
from training.reward.options import TrainingOptions

pytestmark = pytest.mark.timeout(240)
TINY = {"epochs": 1, "max_length": 128, "batch_size": 16}


def make_comparison_set(project: Project) -> ComparisonSet:
    load_pandalm(project, 220)
    made = create_comparison_set(project=project, spec=Spec(ties="soft"))
    return write_comparison_set(comparison_set=made, context=running_job(project))


def make_base(project: Project) -> BaseModel:
    checkpoint = ensure_base_model(pool=project.pool, context=running_job(project), overrides=TINY_BASE)
    return BaseModel(checkpoint.path, checkpoint.name, checkpoint)


def train(comparison_set: ComparisonSet, base: BaseModel, n_members: int = 1, **options) -> RewardModel:
    """As the job does it, in this process but for the engine."""
    context = running_job(comparison_set.project, "train")
    model = services.register(
        project=comparison_set.project,
        comparison_set=comparison_set,
        base_model="builtin",
        options=TrainingOptions.parse(TINY | options),
        n_members=n_members,
        job=context.job,
        created_by=None,
    )
    model = services.train_reward_model(model=model, base=base, context=context)
    return services.evaluate_reward_model(model=model, context=context)


def test_label_noise_is_found_shown_to_reviewers_and_treated(cast):
    found, base = make_comparison_set(cast.project), make_base(cast.project)
    row = noise.request_cross_fit(
        comparison_set=found, options=TrainingOptions.parse(TINY), n_folds=2, created_by=cast.researcher
    )
    row = noise.cross_fit(row=row, base=base, context=running_job(cast.project, "noise"))
    assert row.finished_at is not None
    assert row.summary["n_comparisons"] == row.summary["n_judged"] == found.counts["comparisons"]
    assert CrossFittedOpinion.objects.count() == found.counts["comparisons"]
    assert CrossFittedOpinion.objects.filter(rank__isnull=False).count() == len(row.suspicious)
    url = f"/api/v1/projects/{cast.project.slug}/comparison-sets/{found.pk}/noise"
    assert row.job_id is not None
    Job.objects.filter(pk=row.job_id).update(state="succeeded", finished_at=row.finished_at)
    told = cast.client(cast.reviewer).get(url).json()
    assert told["state"] == "succeeded" and told["summary"]["accuracy"]["n"] > 100

    model = train(found, base, noise_treatment="soft")
    assert Path(model.config["engine"]["strengths"]).is_file()
    assert model.state == "candidate"
    CrossFit.objects.all().delete()
    with pytest.raises(services.JobFailed, match="estimate the label noise"):
        train(found, base, noise_treatment="soft")


def test_an_ensemble_is_trained_and_kept_whole(cast):
    found = make_comparison_set(cast.project)
    model = train(found, make_base(cast.project), n_members=2)
    assert model.state == "candidate" and model.report["accuracy"]["n"] > 0
    told = json.loads((Path(model.artifact_uri) / "ensemble.json").read_text())
    assert len(told["members"]) == 2


def test_a_newer_model_is_judged_beside_the_one_in_use_on_the_same_comparisons(cast):
    found, base = make_comparison_set(cast.project), make_base(cast.project)
    first = train(found, base)
    assert sum(first.sources["labellers"].values()) == found.counts["ratings"]
    services.promote(model=first, reason="the first", actor=None)
    second = train(found, base, seed=1)
    told = second.report["incumbent"]
    assert (told["id"], told["version"], told["accuracy"]["n"]) == (first.pk, 1, second.report["accuracy"]["n"])
    assert told["own_accuracy"]["value"] == pytest.approx(second.report["accuracy"]["value"])
    difference = told["own_accuracy"]["value"] - told["accuracy"]["value"]
    assert told["difference"]["value"] == pytest.approx(difference, abs=1e-6)
    # Both learnt from one set: all of its held-out comparisons are earlier ones, and none is fresh.
    assert told["earlier"] == {
        "n": told["accuracy"]["n"],
        **{name: told[name] for name in ("accuracy", "own_accuracy", "difference")},
    }
    assert (told["fresh"]["n"], told["fresh"]["difference"]["value"]) == (0, None)
