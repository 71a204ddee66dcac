"""Which completions are ranked together, and that nothing is made twice."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.common.errors import DomainError
from annotate.comparisons.models import Comparison
from annotate.pool.models import Completion, CompletionSource
from annotate.rankings.models import Ranking, RankingItem
from annotate.rankings.services import add_rankings, lease
from tests.annotate.rankings.conftest import add_completions, make_prompt, make_rankings
from tests.cast import Cast


@pytest.fixture(autouse=True)
def _ranks_four(cast: Cast) -> None:
    cast.project.ranking_size = 4
    cast.project.save()


def ranked(ranking: Ranking) -> set[int]:
    return set(ranking.items.values_list("completion_id", flat=True))


@pytest.mark.parametrize(("n_completions", "n_ranked"), [(0, 0), (2, 0), (3, 3), (4, 4), (7, 4)])
def test_it_ranks_from_three_up_to_the_projects_size(cast: Cast, n_completions: int, n_ranked: int) -> None:
    prompt = make_prompt(cast.project, n_completions)
    made = add_rankings(project=cast.project, prompts=[prompt.pk])
    assert RankingItem.objects.count() == n_ranked
    assert made == ({prompt.pk} if n_ranked else set())
    assert Comparison.objects.count() == 0, "pairs come with their ratings"


def test_it_takes_the_completions_with_the_lowest_digests(cast: Cast) -> None:
    prompt = make_prompt(cast.project, 7)
    add_rankings(project=cast.project, prompts=[prompt.pk])
    expected = sorted(prompt.completions.values_list("digest", "id"))[:4]
    assert ranked(Ranking.objects.get()) == {pk for _, pk in expected}


def test_it_makes_nothing_twice(cast: Cast) -> None:
    prompt = make_prompt(cast.project, 4)
    assert add_rankings(project=cast.project, prompts=[prompt.pk, prompt.pk]) == {prompt.pk}
    before = list(RankingItem.objects.values_list("id", flat=True))
    assert add_rankings(project=cast.project, prompts=[prompt.pk]) == set()
    assert list(RankingItem.objects.values_list("id", flat=True)) == before


def test_a_ranking_that_nobody_has_gives_way_to_one_of_more_completions(cast: Cast) -> None:
    prompt = make_prompt(cast.project, 3)
    add_rankings(project=cast.project, prompts=[prompt.pk])
    add_completions(prompt, CompletionSource.objects.get(), 1)
    assert add_rankings(project=cast.project, prompts=[prompt.pk]) == {prompt.pk}
    assert ranked(Ranking.objects.get()) == set(prompt.completions.values_list("id", flat=True))


def test_a_ranking_that_somebody_has_stays(cast: Cast) -> None:
    prompt = make_prompt(cast.project, 3)
    add_rankings(project=cast.project, prompts=[prompt.pk])
    (held,) = lease(seat=cast.seat(cast.labeller), n=1)
    add_completions(prompt, CompletionSource.objects.get(), 1)
    add_rankings(project=cast.project, prompts=[prompt.pk])
    assert sorted(len(ranked(ranking)) for ranking in Ranking.objects.all()) == [3, 4]
    assert Ranking.objects.filter(pk=held.ranking_id).exists()


def test_it_takes_no_prompt_of_another_pool(cast: Cast) -> None:
    from annotate.projects.services import create_project

    elsewhere = create_project(owner=cast.owner, name="Elsewhere", ranking_size=4)
    prompt = make_prompt(elsewhere, 4)
    assert add_rankings(project=cast.project, prompts=[prompt.pk]) == set()


def test_a_project_of_pairs_has_none(cast: Cast) -> None:
    cast.project.ranking_size = None
    with pytest.raises(DomainError) as refused:
        add_rankings(project=cast.project, prompts=[make_prompt(cast.project, 4).pk])
    assert refused.value.code == "no_ranking_size"


def test_any_number_of_prompts_takes_the_same_number_of_queries(cast: Cast) -> None:
    def queries(n: int) -> int:
        prompts = [make_prompt(cast.project, 4).pk for _ in range(n)]
        with CaptureQueriesContext(connection) as captured:
            add_rankings(project=cast.project, prompts=prompts)
        return len(captured)

    assert queries(1) == queries(20)
    assert Completion.objects.count() == 4 * 21


def test_priority_is_kept(cast: Cast) -> None:
    (ranking,) = make_rankings(cast.project, 1, priority=7)
    assert (ranking.priority, ranking.n_wanted) == (7, cast.project.min_ratings)
