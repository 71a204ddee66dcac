import pytest

from annotate.comparisons.models import Comparison
from annotate.comparisons.services import add_comparisons
from annotate.pool.models import Prompt
from tests.training.ratings import make_prompt, rate
from training.generation.options import GenerationOptions
from training.generation.prompts import choose_prompts, eligible
from training.generation.services import estimate


def options(**given) -> GenerationOptions:
    return GenerationOptions.parse({"mix": [{"source": "builtin", "n": 2, "best_of": 1}], **given})


@pytest.fixture
def clusters(cast):
    """Ten prompts of cluster 0, of which three are rated; three of cluster 1, one of them rated; two without one."""
    made = [make_prompt(cast.project, f"Q{n}", ["x", "y"]) for n in range(15)]
    for number, prompt in enumerate(made):
        cluster = 0 if number < 10 else 1 if number < 13 else None
        Prompt.objects.filter(pk=prompt.pk).update(cluster=cluster, language="de" if number % 2 else "en")
    rated = [*made[:3], made[10]]
    pairs = [(one.pk, *one.completions.order_by("pk").values_list("pk", flat=True)) for one in rated]
    ids = add_comparisons(project=cast.project, pairs=pairs)
    for comparison in Comparison.objects.filter(pk__in=ids.values()):
        rate(comparison, "a")
    return [prompt.pk for prompt in made]


def cluster_of(ids: list[int]) -> list[int | None]:
    found = dict(Prompt.objects.filter(pk__in=ids).values_list("pk", "cluster"))
    return [found[pk] for pk in ids]


def test_tails_come_first_and_what_was_chosen_counts(cast, clusters):
    """Rated: 3, 1 and 0. The two without a cluster come first, then cluster 1 until both are gone, at 1 and 2."""
    chosen = choose_prompts(cast.project, options(n_prompts=8), seed=1)
    assert len(set(chosen)) == 8
    assert cluster_of(chosen) == [None, None, 1, 1, 0, 0, 0, 0] or cluster_of(chosen) == [None, 1, None, 1, 0, 0, 0, 0]


def test_rated_prompts_are_left_out_unless_asked_for(cast, clusters):
    assert set(choose_prompts(cast.project, options(n_prompts=100), seed=1)) == set(clusters) - {
        clusters[0],
        clusters[1],
        clusters[2],
        clusters[10],
    }
    assert len(choose_prompts(cast.project, options(n_prompts=100, is_unlabelled_only=False), seed=1)) == 15


def test_at_random_is_the_same_for_a_seed_and_another_for_another(cast, clusters):
    first, again, other = (
        choose_prompts(cast.project, options(n_prompts=6, order="random"), seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert set(first) != set(other)


def test_filters(cast, clusters):
    make_prompt(cast.project, "tagged", [])
    Prompt.objects.filter(excerpt="tagged").update(tags=["code", "hard"], origin="wild")
    assert set(eligible(cast.project, options(languages=["de"])).values_list("language", flat=True)) == {"de"}
    assert set(eligible(cast.project, options(clusters=[1])).values_list("cluster", flat=True)) == {1}
    assert list(eligible(cast.project, options(tags=["code", "x"])).values_list("excerpt", flat=True)) == ["tagged"]
    assert list(eligible(cast.project, options(origins=["wild"])).values_list("excerpt", flat=True)) == ["tagged"]


def test_the_estimate_counts_prompts_completions_and_tokens(cast, clusters):
    mix = [{"source": "builtin", "n": 2}, {"source": "pool", "kind": "random"}, {"source": "pool", "kind": "human"}]
    found = estimate(project=cast.project, options=GenerationOptions.parse({"mix": mix, "max_new_tokens": 10}))
    tokens = found.pop("prompt_tokens")
    assert found == {
        "n_available": 11,
        "n_prompts": 11,
        "n_completions": 33,
        "n_sampled": 22,
        "max_new_tokens": 220,
    }
    assert 0 < tokens < 22 * 20
