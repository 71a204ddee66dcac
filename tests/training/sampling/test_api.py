import dataclasses

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from annotate.agreement.models import LabellerFigures
from annotate.comparisons.models import Comparison
from annotate.comparisons.services import add_comparisons
from annotate.projects.models import Project
from tests.training.ratings import make_prompt, rate
from tests.training.reward.registered import make_model
from training.engine.sampling.select import SelectConfig
from training.generation.models import GeneratedCompletion, Generation
from training.reward.models import RewardModel, RewardModelState
from training.sampling import selectors
from training.sampling.models import SampledComparison, SamplingRound
from training.sampling.options import DIVERSITIES, PROMPT_RULES, SamplingOptions
from training.sampling.services import create_round

SEE = {"owner": 200, "researcher": 200, "reviewer": 200, "labeller": 403, "outsider": 404}


@pytest.fixture
def sampling_round(cast, comparisons):
    made = create_round(project=cast.project, model=make_model(cast.project), options=SamplingOptions(budget=2))
    for rank, comparison in enumerate(comparisons(2)):
        SampledComparison.objects.create(
            sampling_round=made, comparison=comparison, rank=rank, is_random=rank == 1, terms={"score": 0.5}
        )
    return made


@pytest.fixture
def url(cast):
    return f"/api/v1/projects/{cast.project.slug}/sampling-rounds"


@pytest.mark.parametrize(("who", "status"), SEE.items())
def test_who_may_read_them(cast, url, sampling_round, who, status):
    client = cast.client(getattr(cast, who))
    assert client.get(url).status_code == status
    assert client.get(f"{url}/{sampling_round.pk}").status_code == status
    assert client.get(f"{url}/{sampling_round.pk}/comparisons").status_code == status
    assert client.get(f"{url}/preview").status_code == status


def test_it_says_why_each_comparison_was_chosen(cast, url, sampling_round):
    (row,) = cast.client(cast.reviewer).get(url).json()["results"]
    assert (row["number"], row["n_chosen"], row["n_rated"]) == (1, 2, 0)
    detail = cast.client(cast.reviewer).get(f"{url}/{sampling_round.pk}").json()
    chosen = cast.client(cast.reviewer).get(f"{url}/{sampling_round.pk}/comparisons").json()["results"]
    assert [(one["rank"], one["is_random"]) for one in chosen] == [(0, False), (1, True)]
    assert chosen[0]["terms"] == {"score": 0.5}
    assert chosen[0]["prompt_excerpt"] == "Question 0?"
    assert detail["reward_model"] == {"id": sampling_round.reward_model_id, "version": 1}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"prompt_rule": "best"}, "prompt_rule"),
        ({"diversity": "some"}, "diversity"),
        ({"n_clusters": -1}, "n_clusters"),
        ({"max_cluster_share": 0}, "max_cluster_share"),
        ({"max_per_prompt": True}, "max_per_prompt"),
        ({"acquisition": "os.system"}, "acquisition"),
        ({"budget": 0}, "budget"),
        ({"random_share": 2}, "random_share"),
    ],
)
def test_options_that_cannot_be_are_refused_by_field(options, field):
    with pytest.raises(ValidationError) as refusal:
        SamplingOptions(**options)
    assert list(refusal.value.message_dict) == [field]


def test_options_are_the_engines():
    """Names, choices and defaults."""
    known = {field.name: field for field in dataclasses.fields(SelectConfig)}
    for field in dataclasses.fields(SamplingOptions):
        assert field.default == known[field.name].default, field.name
    assert sorted(PROMPT_RULES) == sorted(known["prompt_rule"].metadata["choices"])
    assert sorted(DIVERSITIES) == sorted(known["diversity"].metadata["choices"])


TRAIN = {"owner": True, "researcher": True, "reviewer": False, "labeller": False}


@pytest.mark.parametrize(("who", "may"), TRAIN.items())
def test_who_may_start_and_withdraw_them(cast, url, sampling_round, who, may):
    SamplingRound.objects.update(finished_at=timezone.now())
    RewardModel.objects.update(state=RewardModelState.PROMOTED)
    client = cast.client(getattr(cast, who))
    assert client.post(url, {"budget": 5}, format="json").status_code == (201 if may else 403)
    withdrawal = f"{url}/{sampling_round.pk}/withdrawal"
    assert client.post(withdrawal).status_code == (200 if may else 403)
    assert client.delete(withdrawal).status_code == (200 if may else 403)
    body = {"reward_model_id": sampling_round.reward_model_id}
    assert client.post(f"{url}/judge", body, format="json").status_code == (202 if may else 403)


def test_a_bad_option_is_refused_by_field(cast, url):
    client = cast.client(cast.researcher)
    for body, field in (({"budget": 0}, "budget"), ({"acquisition": "best"}, "acquisition")):
        answer = client.post(url, body, format="json")
        assert answer.status_code == 400 and [one["field"] for one in answer.json()["errors"]] == [field]
    assert client.post(url, {"generation_id": 1}, format="json").status_code == 404


def test_a_preview_tells_labels_hours_and_cost(cast, url):
    """Two prompts with 3 and 1 pairs; one pair is rated. 2 ratings each, 18 s of active time, 20 EUR an hour."""
    prompt = make_prompt(cast.project, "Why?", ["one", "two", "three"])
    make_prompt(cast.project, "Who?", ["one", "two"])
    a, b, _ = prompt.completions.order_by("id")
    ids = add_comparisons(project=cast.project, pairs=[(prompt.pk, a.pk, b.pk)])
    rate(Comparison.objects.get(pk=ids[a.pk, b.pk]), "a")
    Project.objects.update(min_ratings=2, max_ratings=2, pay_per_hour="20.00", currency="EUR")
    for person, median, n in ((cast.labeller, 10_000, 5), (cast.second_labeller, 18_000, 50)):
        LabellerFigures.objects.create(project=cast.project, labeller=person, n_ratings=n, median_active_ms=median)
    found = cast.client(cast.reviewer).get(f"{url}/preview", {"budget": 2, "random_share": 0.5}).json()
    assert found == {
        "n_prompts": 2, "n_pairs": 3, "is_estimate": False, "n_waiting": 0, "n_chosen": 2, "n_random": 1,
        "ratings_each": 2, "n_labels": 4, "median_s": 18.0, "hours": 0.02, "cost": "0.40", "currency": "EUR",
    }  # fmt: skip
    assert cast.client(cast.reviewer).get(f"{url}/preview", {"budget": 0}).status_code == 400


def test_a_preview_of_a_large_pool_is_an_estimate(cast, url, monkeypatch):
    for number in range(10):
        make_prompt(cast.project, f"Question {number}", ["one", "two"])
    monkeypatch.setattr(selectors, "COUNTED_PROMPTS", 5)
    found = cast.client(cast.reviewer).get(f"{url}/preview").json()
    assert (found["n_prompts"], found["n_pairs"], found["is_estimate"]) == (10, 10, True)
    assert (found["hours"], found["cost"]) == (None, None)


def test_a_preview_counts_what_a_generation_wrote(cast, url):
    prompt = make_prompt(cast.project, "Why?", ["one", "two", "three"])
    make_prompt(cast.project, "Who?", ["one", "two"])
    made = Generation.objects.create(project=cast.project, number=1, options={})
    GeneratedCompletion.objects.create(generation=made, completion=prompt.completions.order_by("id")[1])
    found = cast.client(cast.reviewer).get(f"{url}/preview", {"generation_id": made.pk}).json()
    assert (found["n_prompts"], found["n_pairs"]) == (1, 2)


def test_the_list_says_what_each_brought(cast, url, comparisons, draw):
    made = comparisons(10)
    draw(made, gaps=[1.0] * 10)
    for comparison in made:
        rate(comparison, "a")
    (row,) = cast.client(cast.reviewer).get(url).json()["results"]
    assert row["accuracy"]["chosen"]["value"] == 1.0 and row["accuracy"]["random"]["n"] == 0
    outcome = cast.client(cast.reviewer).get(f"{url}/{row['id']}/outcome").json()
    assert outcome["arms"]["chosen"]["n_labels"] == 10
