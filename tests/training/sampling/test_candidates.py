from collections import Counter

import pytest

from annotate.comparisons.models import Comparison
from annotate.comparisons.services import add_comparisons
from annotate.projects.services import create_project
from tests.training.ratings import make_prompt, rate
from training.generation.models import GeneratedCompletion, Generation
from training.sampling import candidates
from training.sampling.candidates import candidate_rows, labelled_rows


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


def test_texts_that_differ_in_white_space_alone_are_no_pair(cast):
    prompt = make_prompt(cast.project, "Why?", ["Because  of\nlight", "Because of light ", "No idea"])
    a, b, c = prompt.completions.order_by("id")
    assert pairs_of(cast.project) == {(a.pk, c.pk), (b.pk, c.pk)}


def test_of_many_completions_the_newest_count(cast, monkeypatch):
    prompt = make_prompt(cast.project, "Why?", [f"Answer {n}" for n in range(5)])
    monkeypatch.setattr(candidates, "MAX_COMPLETIONS", 3)
    _, _, c, d, e = prompt.completions.order_by("id").values_list("pk", flat=True)
    assert pairs_of(cast.project) == {(c, d), (c, e), (d, e)}


@pytest.fixture
def generation(cast):
    return Generation.objects.create(project=cast.project, number=1, options={})


def test_a_generation_has_at_least_one_side_of_each_pair(cast, prompt, generation, monkeypatch):
    make_prompt(cast.project, "Not asked about", ["one", "two"])
    a, b, c = prompt.completions.order_by("id")
    GeneratedCompletion.objects.create(generation=generation, completion=b)
    pairs = {tuple(pair) for row in candidate_rows(cast.project, generation) for pair in row["pairs"]}
    assert pairs == {(a.pk, b.pk), (b.pk, c.pk)}
    # However many others there are, what it wrote is among those that are looked at.
    monkeypatch.setattr(candidates, "MAX_COMPLETIONS", 2)
    (row,) = candidate_rows(cast.project, generation)
    assert row["pairs"] == [[b.pk, c.pk]]


def test_the_mix_counts_the_kinds_of_sources_of_what_can_be_chosen(cast):
    prompt = make_prompt(cast.project, "Why?", ["one", "two"], kind="sft")
    make_prompt(cast.project, "Who?", ["a", "b", "c"], kind="current_policy")
    a, b = prompt.completions.order_by("id")
    mix: Counter[str] = Counter()
    assert len(list(candidate_rows(cast.project, mix=mix))) == 2
    assert mix == {"sft": 2, "current_policy": 3}
    rate(compare(cast.project, prompt, a, b), "a")
    mix.clear()
    assert len(list(candidate_rows(cast.project, mix=mix))) == 1
    assert mix == {"current_policy": 3}


def test_labelled_prompts_are_told_with_their_comparisons(cast, prompt, monkeypatch):
    other = make_prompt(cast.project, "Who?", ["one", "two"])
    make_prompt(cast.project, "Not rated", ["one", "two"])
    a, b, c = prompt.completions.order_by("id")
    rate(compare(cast.project, prompt, a, b), "a", "b")
    rate(compare(cast.project, prompt, a, c), "a")
    rate(compare(cast.project, other, *other.completions.order_by("id")), "tie")
    rows = list(labelled_rows(cast.project))
    assert [(row["prompt_id"], row["n"]) for row in rows] == [(prompt.pk, 2), (other.pk, 1)]
    assert rows[0]["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
    monkeypatch.setattr(candidates, "CHUNK", 1)
    assert list(labelled_rows(cast.project)) == rows
