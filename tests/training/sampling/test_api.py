import pytest
from django.core.exceptions import ValidationError

from tests.training.reward.registered import make_model
from training.sampling.models import SampledComparison
from training.sampling.options import SamplingOptions
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
    [({"acquisition": "os.system"}, "acquisition"), ({"budget": 0}, "budget"), ({"random_share": 2}, "random_share")],
)
def test_options_that_cannot_be_are_refused_by_field(options, field):
    with pytest.raises(ValidationError) as refusal:
        SamplingOptions(**options)
    assert list(refusal.value.message_dict) == [field]
