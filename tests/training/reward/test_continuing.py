"""A model that goes on from the promoted one, judged beside it on old and new comparisons: the real engine, small."""

from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from annotate.common.errors import DomainError
from annotate.jobs.context import JobFailed
from annotate.projects.models import Project
from tests.training.ratings import running_job
from tests.training.real import TINY_BASE, load_pandalm
from tests.training.reward.registered import make_model, make_set
from training.engine.reward.data import comparison_ids, open_comparison_set
from training.exports.models import ComparisonSet
from training.exports.services import create_comparison_set, write_comparison_set
from training.exports.spec import Spec
from training.policy.services import BUILTIN, BaseModel, ensure_base_model
from training.reward import comparing, noise, services
from training.reward.continuing import model_to_continue
from training.reward.defaults import CONTINUED_RATE, engine_options
from training.reward.models import RewardModel, RewardModelState
from training.reward.options import TrainingOptions
from training.reward.standing import Standing, beside

CONTINUED = {"start": "continued"}
TINY = {"epochs": 1, "max_length": 128, "batch_size": 16}


def make_sets(project: Project) -> list[ComparisonSet]:
    """120 of 220 real comparisons, and all of them: with `max_comparisons` a set is part of a larger one."""
    load_pandalm(project, 220)
    specs = (Spec(ties="soft", max_comparisons=120), Spec(ties="soft"))
    made = [create_comparison_set(project=project, spec=spec) for spec in specs]
    return [write_comparison_set(comparison_set=one, context=running_job(project)) for one in made]


def make_base(project: Project) -> BaseModel:
    checkpoint = ensure_base_model(pool=project.pool, context=running_job(project), overrides=TINY_BASE)
    return BaseModel(checkpoint.path, checkpoint.name, checkpoint)


def train(comparison_set: ComparisonSet, base: BaseModel | None, **options) -> RewardModel:
    """As the job does it, in this process but for the engine."""
    context = running_job(comparison_set.project, "train")
    model = services.register(
        project=comparison_set.project,
        comparison_set=comparison_set,
        base_model=BUILTIN,
        options=TrainingOptions.parse(TINY | options),
        job=context.job,
        created_by=None,
    )
    model = services.train_reward_model(model=model, base=base, context=context)
    return services.evaluate_reward_model(model=model, context=context)


@pytest.mark.timeout(480)
def test_it_goes_on_from_the_promoted_model_and_is_judged_on_old_and_new_comparisons(cast):
    (earlier, both), base = make_sets(cast.project), make_base(cast.project)
    first = train(earlier, base, n_heads=2)
    services.promote(model=first, reason="the first", actor=None)

    second = train(both, None, start="continued", replay=0.5)
    engine = second.config["engine"]
    assert engine["start_from"] == str(Path(first.artifact_uri))
    assert engine["earlier_set"] == str(Path(earlier.uri))
    assert (engine["base_model"], engine["n_heads"], engine["replay"]) == (base.path, 2, 0.5)
    assert second.config["continued_from"] == {"id": first.pk, "version": 1}
    assert second.config["checkpoint"] == first.config["checkpoint"] == base.checkpoint.pk
    assert second.base_model == first.base_model == base.name
    counts = {one.pk: one.counts for one in (earlier, both)}
    replay = second.report["training"]["replay"]
    n_new = counts[both.pk]["train"] - counts[earlier.pk]["train"]
    assert replay == {"n_new": n_new, "n_earlier": counts[earlier.pk]["train"], "n_replayed": round(0.5 * n_new)}
    card = (Path(second.artifact_uri) / "README.md").read_text()
    assert f"Training went on from {cast.project.slug} v1, with {n_new} new comparisons" in card

    told = second.report["incumbent"]
    ids = [comparison_ids(open_comparison_set(one.uri)) for one in (earlier, both)]
    assert ids[0] < ids[1]
    assert told["id"] == first.pk
    assert 0 < told["earlier"]["n"] < told["accuracy"]["n"]
    assert told["earlier"]["n"] + told["fresh"]["n"] == told["accuracy"]["n"]
    assert told["earlier"]["accuracy"]["value"] == pytest.approx(first.report["accuracy"]["value"])
    for name in ("earlier", "fresh"):
        found = told[name]
        assert set(found) == {"n", "accuracy", "own_accuracy", "difference"}
        assert found["n"] == found["accuracy"]["n"] == found["own_accuracy"]["n"] == found["difference"]["n"]
        difference = found["own_accuracy"]["value"] - found["accuracy"]["value"]
        assert found["difference"]["value"] == pytest.approx(difference, abs=1e-6)
    whole = sum(told[name]["own_accuracy"]["value"] * told[name]["n"] for name in ("earlier", "fresh"))
    assert whole / told["accuracy"]["n"] == pytest.approx(told["own_accuracy"]["value"], abs=1e-6)

    # A later comparison by hand says the same.
    row = comparing.request_comparison(project=cast.project, a=first, b=second, created_by=cast.researcher)
    assert row.comparison_set_id == both.pk
    comparing.compare(comparison=row, context=running_job(cast.project, "compare_models"))
    RewardModel.objects.filter(pk=second.pk).update(report={**second.report, "incumbent": None})
    second.refresh_from_db()
    seen = Standing(cast.project).evidence(second)["incumbent"]
    assert (seen["earlier"], seen["fresh"]) == (told["earlier"], told["fresh"])


def side(value: float) -> dict:
    return {"accuracy": {"value": value, "n": 90}}


@pytest.mark.parametrize("is_a", [True, False])
def test_old_and_new_comparisons_are_told_as_seen_from_the_model_that_is_judged(cast, is_a):
    """The engine's differences are b − a; the incumbent is 0.1 worse on the new ones, whichever of the two it is."""
    low, high = (0.02, 0.18) if is_a else (-0.18, -0.02)
    difference = {"value": 0.1 if is_a else -0.1, "low": low, "high": high, "n": 40}
    a, b = (0.6, 0.7) if is_a else (0.7, 0.6)
    fresh = {"n": 40, "a": side(a)["accuracy"], "b": side(b)["accuracy"], "difference": difference}
    report = {"a": side(a), "b": side(b), "difference": difference, "fresh": fresh, "earlier": None}
    told = beside(report, make_model(cast.project), is_a=is_a)
    assert told["earlier"] is None
    assert (told["fresh"]["accuracy"]["value"], told["fresh"]["own_accuracy"]["value"]) == (0.6, 0.7)
    assert told["fresh"]["difference"] == {"value": 0.1, "low": 0.02, "high": 0.18, "n": 40}
    assert "fresh" not in beside(
        {key: report[key] for key in ("a", "b", "difference")}, make_model(cast.project), is_a=is_a
    )


def test_the_start_stays_when_another_model_is_promoted_meanwhile(cast):
    """A worker is lost in the training; the next one goes on from its checkpoint, although v2 is in use by then."""
    first, options = in_use(cast.project), TrainingOptions.parse(CONTINUED)
    model = services.request_training(
        project=cast.project, comparison_set=make_set(cast.project), options=options, created_by=None
    )
    assert services._start_of(model, options, None) == first
    other = make_model(cast.project, config={"engine": ENGINE})
    services.promote(model=other, reason="better", actor=None)
    model.refresh_from_db()
    assert model.config["continued_from"] == {"id": first.pk, "version": 1}
    assert services._start_of(model, options, None) == first


# --- what does not fit ----------------------------------------------------------------------------------------------
ENGINE = {"base_model": "/models/sft", "n_heads": 4, "max_length": 512}


def in_use(project: Project, **fields) -> RewardModel:
    fields = {"config": {"engine": ENGINE}, "base_model": "sft-1"} | fields
    return make_model(project, RewardModelState.PROMOTED, **fields)


def refusal(project: Project, *, base_model: str = BUILTIN, n_members: int = 1, comparison_set=None, **options) -> str:
    """The code of what is said against it, and the message beside it."""
    with pytest.raises(DomainError) as caught:
        services.request_training(
            project=project,
            comparison_set=comparison_set or make_set(project),
            base_model=base_model,
            options=TrainingOptions.parse(CONTINUED | options),
            n_members=n_members,
            created_by=None,
        )
    return f"{caught.value.code}: {caught.value.message}"


def test_without_a_promoted_model_there_is_nothing_to_continue(cast):
    make_model(cast.project, RewardModelState.RETIRED)
    told = refusal(cast.project)
    assert told.startswith("nothing_to_continue: No reward model is promoted yet: train one afresh")
    assert not RewardModel.objects.filter(state=RewardModelState.TRAINING).exists()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"base_model": "/models/other"}, "v1 was made from sft-1, not from /models/other"),
        ({"base_model": "gpt/two"}, "v1 was made from sft-1, not from gpt/two"),
        ({"n_heads": 2}, "v1 has 4 heads, not 2"),
        ({"n_members": 2}, "v1 has 1 of the 2 members"),
    ],
)
def test_what_cannot_start_from_it_is_refused(cast, asked, expected):
    in_use(cast.project)
    told = refusal(cast.project, **asked)
    assert told.startswith(f"nothing_to_continue: {expected}")


def test_a_model_that_does_not_say_what_it_was_made_from_is_refused(cast):
    in_use(cast.project, config={})
    assert refusal(cast.project).startswith("nothing_to_continue: v1 does not say from what it was made")


def test_the_set_that_it_learnt_from_holds_nothing_new(cast):
    model = in_use(cast.project)
    assert refusal(cast.project, comparison_set=model.comparison_set).startswith("nothing_new: v1 has learnt from")


@pytest.mark.parametrize(
    ("asked", "n_members"),
    [({}, 1), ({"n_heads": 4}, 3), ({"replay": 0}, 1)],
)
def test_what_fits_is_queued_with_the_promoted_models_base(cast, asked, n_members):
    start = in_use(cast.project, n_members=3)
    for base_model in (BUILTIN, "/models/sft"):
        model = services.request_training(
            project=cast.project,
            comparison_set=make_set(cast.project),
            base_model=base_model,
            options=TrainingOptions.parse(CONTINUED | asked),
            n_members=n_members,
            created_by=None,
        )
        assert model.base_model == start.base_model == "sft-1"
        assert model.config["options"] == CONTINUED | asked
        found = model_to_continue(
            project=cast.project,
            comparison_set=model.comparison_set,
            base_model=base_model,
            options=TrainingOptions.parse(CONTINUED | asked),
            n_members=n_members,
        )
        assert found == start


def test_a_job_that_finds_none_in_use_any_more_fails_with_the_reason(cast):
    start = in_use(cast.project)
    context = running_job(cast.project, "train")
    model = services.request_training(
        project=cast.project,
        comparison_set=make_set(cast.project),
        options=TrainingOptions.parse(CONTINUED),
        created_by=None,
    )
    services.retire(model=start, reason="wrong", actor=None)
    with pytest.raises(JobFailed, match="No reward model is promoted yet") as caught:
        services.train_reward_model(model=model, base=None, context=context)
    assert caught.value.code == "nothing_to_continue"


def test_label_noise_is_not_estimated_by_a_continued_training(cast):
    with pytest.raises(DomainError) as caught:
        noise.request_cross_fit(
            comparison_set=make_set(cast.project), options=TrainingOptions.parse(CONTINUED), created_by=None
        )
    assert caught.value.code == "cross_fit_continued"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"start": "again"}, "start"),
        ({"start": "continued", "replay": -1}, "replay"),
        ({"start": "continued", "replay": 21}, "replay"),
        ({"replay": 2}, "replay"),
        ({"start": "fresh", "replay": 0}, "replay"),
    ],
)
def test_options_that_cannot_be_are_refused(asked, field):
    with pytest.raises(ValidationError) as caught:
        TrainingOptions.parse(asked)
    assert list(caught.value.message_dict) == [field]


def test_a_continued_training_takes_smaller_steps_unless_told():
    base = BaseModel("/models/sft", "sft-1")
    fresh, continued = (engine_options(TrainingOptions.parse(one), base) for one in ({}, CONTINUED))
    assert continued["learning_rate"] == pytest.approx(CONTINUED_RATE * fresh["learning_rate"])
    assert "start" not in continued
    told = engine_options(TrainingOptions.parse(CONTINUED | {"learning_rate": 1e-3, "replay": 2}), base)
    assert (told["learning_rate"], told["replay"]) == (1e-3, 2)


def test_the_endpoint_says_what_there_is_to_do(cast):
    comparison_set = make_set(cast.project)
    url = f"/api/v1/projects/{cast.project.slug}/reward-models"
    body = {"comparison_set_id": comparison_set.pk, "training": CONTINUED | {"replay": 2}}
    client = cast.client(cast.researcher)
    answer = client.post(url, body, format="json")
    assert answer.status_code == 409 and answer.json()["code"] == "nothing_to_continue"
    in_use(cast.project)
    answer = client.post(url, body, format="json")
    assert answer.status_code == 201, answer.json()
    assert answer.json()["config"]["options"] == {"start": "continued", "replay": 2.0}
    body["training"] = {"replay": 2}
    answer = client.post(url, body, format="json")
    assert answer.status_code == 400
