import pytest

from annotate.comparisons.models import Comparison
from annotate.comparisons.services import add_comparisons
from annotate.projects.services import create_project
from tests.training.ratings import make_prompt, rate
from training.sampling import candidates
from training.sampling.candidates import candidate_rows


def pairs_of(project) -> set[tuple[int, int]]:
    return {tuple(pair) for row in candidate_rows(project) for pair in row["pairs"]}


def compare(project, prompt, first, second) -> Comparison:
    ids = add_comparisons(project=project, pairs=[(prompt.pk, first.pk, second.pk)])
    return Comparison.objects.get(pk=next(iter(ids.values())))


@pytest.fixture
def prompt(cast):
    return make_prompt(cast.project, "Why is the sky blue?", ["Rayleigh", "The sea", "No idea"])


def test_every_pair_of_a_prompt_is_one_until_it_has_ratings(cast, prompt):
    a, b, c = prompt.completions.order_by("id")
    assert pairs_of(cast.project) == {(a.pk, b.pk), (a.pk, c.pk), (b.pk, c.pk)}
    comparison = compare(cast.project, prompt, a, b)
    assert (a.pk, b.pk) in pairs_of(cast.project)  # asked for, not answered yet
    rate(comparison, "a")
    assert pairs_of(cast.project) == {(a.pk, c.pk), (b.pk, c.pk)}


def test_a_row_says_what_the_engine_needs(cast, prompt):
    (row,) = candidate_rows(cast.project)
    assert row["prompt_id"] == prompt.pk
    assert row["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert [completion["text"] for completion in row["completions"]] == ["Rayleigh", "The sea", "No idea"]


@pytest.mark.parametrize("fields", [{"gold_preferred": "a", "state": "closed"}, {"n_flags": 1}, {"state": "closed"}])
def test_gold_flagged_and_closed_ones_are_none(cast, prompt, fields):
    a, b, _ = prompt.completions.order_by("id")
    comparison = compare(cast.project, prompt, a, b)
    Comparison.objects.filter(pk=comparison.pk).update(**fields)
    assert (a.pk, b.pk) not in pairs_of(cast.project)
    assert len(pairs_of(cast.project)) == 2


def test_ratings_of_another_project_over_the_pool_do_not_count(cast, prompt):
    other = create_project(owner=cast.owner, name="Safety", pool=cast.project.pool)
    a, b, _ = prompt.completions.order_by("id")
    rate(compare(other, prompt, a, b), "a")
    assert len(pairs_of(cast.project)) == 3
    assert len(pairs_of(other)) == 2


def test_prompts_without_a_pair_are_none(cast):
    make_prompt(cast.project, "lonely", ["one"])
    assert list(candidate_rows(cast.project)) == []


def test_queries_grow_with_chunks_not_with_prompts(cast, django_assert_num_queries, monkeypatch):
    for number in range(12):
        make_prompt(cast.project, f"Question {number}", ["one", "two"])
    with django_assert_num_queries(1 + 2):  # the cursor; completions and settled pairs of one chunk
        assert len(list(candidate_rows(cast.project))) == 12
    monkeypatch.setattr(candidates, "CHUNK", 4)
    with django_assert_num_queries(1 + 3 * 2):
        assert len(list(candidate_rows(cast.project))) == 12
