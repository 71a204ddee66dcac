"""Rewards of the promoted model through the API, by the real scorer."""

import json
import os
import shutil
from math import exp
from pathlib import Path
from typing import Any

import pytest

from annotate.agreement.models import ModelOpinion
from annotate.common.processes import wait_until
from annotate.jobs.models import Job
from annotate.projects.models import Project
from tests.training.real import load_pandalm, tiny_config
from tests.training.refresh.conftest import wait_for_job
from tests.training.reward.registered import make_model
from training.exports.querysets import DigestTenth
from training.reward import registry
from training.reward.models import RewardModelState

URL = "/api/v1/projects/helpfulness/score"
BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "Name a colour."}], "completions": ["Blue.", "No."]}


@pytest.fixture
def registry_file():
    path = Path(os.environ["VAR_DIR"]) / "artifacts" / "scorer" / "registry.json"
    yield path
    path.unlink(missing_ok=True)


def test_without_a_model_it_says_what_to_do(cast):
    answer = cast.client(cast.researcher).post(URL, BODY, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_reward_model")


def test_a_model_that_is_not_loaded_yet_is_to_be_asked_later(cast, live_scorer, registry_file):
    make_model(cast.project, RewardModelState.PROMOTED)
    answer = cast.client(cast.researcher).post(URL, BODY, format="json")
    assert (answer.status_code, answer.json()["code"]) == (503, "scorer_unavailable")


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(240)
def test_what_a_refresh_promotes_is_served(cast, celery_workers, live_scorer, registry_file):
    from training.refresh.services import start_refresh
    from training.reward.services import promote

    load_pandalm(cast.project, 300)
    cycle = start_refresh(project=cast.project, config=tiny_config(budget=5), created_by=cast.researcher)
    assert wait_for_job(cycle).state == "succeeded"
    cycle.refresh_from_db()
    if cycle.reward_model.state != RewardModelState.PROMOTED:
        promote(model=cycle.reward_model, reason="for this test", actor=None)
    assert json.loads(registry_file.read_text())["models"][0]["version"] == cycle.reward_model.version
    from training.engine.reward.model import RewardModel

    model = RewardModel.load(cycle.reward_model.artifact_uri)
    expected = model.score([(BODY["messages"], text) for text in BODY["completions"]])
    client = cast.client(cast.researcher)

    def is_served() -> bool:
        """Whether the answer is this model's, and no longer that of one that an earlier test promoted."""
        answer = client.post(URL, BODY, format="json")
        return answer.status_code == 200 and answer.json()["rewards"] == pytest.approx(expected, abs=1e-4)

    assert wait_until(is_served, 30, 0.2)
    answer = client.post(URL, BODY, format="json").json()
    assert answer["version"] == 1 and len(set(answer["rewards"])) == 2 and answer["truncated"] == [False, False]
    assert_it_has_an_opinion_of_everything_rated(cast.project, model)
    shutil.rmtree(cycle.reward_model.artifact_uri)
    registry.sync()


def assert_it_has_an_opinion_of_everything_rated(project: Project, model: Any) -> None:
    """The job that its promotion queued has asked the model of each rated comparison, a's completion first."""
    assert wait_until(lambda: Job.objects.filter(kind="opinions", state="succeeded").exists(), 60, 0.2)
    opinions = list(ModelOpinion.objects.select_related("comparison__prompt", "comparison__a", "comparison__b"))
    assert len(opinions) == project.comparisons.filter(n_ratings__gt=0).count() > 100
    for opinion in opinions[:10]:
        comparison = opinion.comparison
        a, b = model.score([(comparison.prompt.messages, side.text) for side in (comparison.a, comparison.b)])
        assert opinion.p_a == pytest.approx(1 / (1 + exp(b - a)), abs=1e-4)
    held_out = {opinion.comparison_id for opinion in opinions if opinion.is_held_out}
    not_trained_on = project.comparisons.annotate(tenth=DigestTenth("prompt__digest")).filter(tenth__gte=8)
    assert held_out == set(not_trained_on.filter(n_ratings__gt=0).values_list("pk", flat=True)) != set()
