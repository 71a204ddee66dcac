from collections import Counter

import pytest

from annotate.guidelines.models import GuidelineVersion, WorkedExample
from annotate.pool.models import Prompt
from tests.cast import sha256
from tests.training.judges.world import judge_them, judgement, make_judge, make_run
from tests.training.ratings import rate
from training.judges.models import Principle
from training.judges.selectors import drawn_principles, estimate, questions, to_judge
from training.judges.services import store_judgements

TRAINED_ON, HELD_OUT = "0" * 64, f"{8:08x}" + "0" * 56


def on_train_prompts(made):
    """The same comparisons, on prompts of the training split."""
    for number, comparison in enumerate(made):
        digest = f"{10 * number:08x}" + sha256(f"{number}")[8:]
        Prompt.objects.filter(pk=comparison.prompt_id).update(digest=digest)
    return made


def test_unrated_ones_that_are_trained_on_are_chosen(cast, comparisons):
    plain, rated, gold, flagged, asked, held_out, settled = on_train_prompts(comparisons(7))
    rate(rated, "a")
    type(gold).objects.filter(pk=gold.pk).update(gold_preferred="a", state="closed")
    type(flagged).objects.filter(pk=flagged.pk).update(n_flags=1)
    type(settled).objects.filter(pk=settled.pk).update(state="adjudicated")
    version = GuidelineVersion.objects.create(project=cast.project, number=1, body="x")
    WorkedExample.objects.create(
        version=version, position=0, prompt="x", completion_a="x", completion_b="y", preferred="a", intensity=1,
        rationale="x", comparison=asked, in_quiz=True,
    )  # fmt: skip
    Prompt.objects.filter(pk=held_out.prompt_id).update(digest=HELD_OUT)
    assert set(to_judge(cast.project, scope="unrated", seed=0)) == {plain}
    assert set(to_judge(cast.project, scope="rated", seed=0)) == {rated}


def test_to_compare_with_people_held_out_ones_will_do(cast, comparisons):
    (held_out,) = comparisons(1)
    Prompt.objects.filter(pk=held_out.prompt_id).update(digest=HELD_OUT)
    rate(held_out, "a", "b")
    assert set(to_judge(cast.project, scope="rated", seed=0)) == {held_out}


def test_the_order_is_drawn_by_the_seed(cast, comparisons):
    on_train_prompts(comparisons(8))
    first, again, other = (
        list(to_judge(cast.project, scope="unrated", seed=seed).values_list("pk", flat=True)) for seed in (1, 1, 2)
    )
    assert first == again and sorted(first) == sorted(other) and first != other


def test_nothing_is_asked_twice(cast, comparisons):
    made = on_train_prompts(comparisons(4))
    judge = make_judge(cast.project)
    first = list(questions(make_run(judge, n_comparisons=2)))
    assert len(first) == 2
    store_judgements(
        run=judge.runs.get(), judgements=[judgement(row["id"], row["principle"]["id"], 0.5) for row in first]
    )
    second = list(questions(make_run(judge)))
    assert {row["id"] for row in first + second} == {one.pk for one in made} and len(second) == 2


def test_a_second_principle_is_another_question(cast, comparisons):
    on_train_prompts(comparisons(2))
    judge = make_judge(cast.project)
    asked = list(questions(make_run(judge)))
    run = judge.runs.get()
    store_judgements(run=run, judgements=[judgement(row["id"], row["principle"]["id"], 0.5) for row in asked])
    more = list(questions(make_run(judge, n_principles=2)))
    assert len(more) == 2
    pairs = {(row["id"], row["principle"]["id"]) for row in [*asked, *more]}
    assert len(pairs) == 4
    assert list(questions(make_run(make_judge(cast.project, version=judge.version, chain_of_thought=True)))), (
        "with a chain of thought it is another judge"
    )


def test_principles_are_drawn_by_their_weights(cast):
    """Of two with weights 3 and 1 the first is drawn three times in four: 750 of 1,000, with a deviation of 14."""
    heavy, light = Principle(pk=1, text="x", weight=3.0), Principle(pk=2, text="y", weight=1.0)
    firsts = Counter(drawn_principles([heavy, light], seed=0, comparison_id=pk)[0].pk for pk in range(1000))
    assert 700 < firsts[1] < 800
    assert drawn_principles([heavy, light], seed=3, comparison_id=5) == drawn_principles(
        [heavy, light], seed=3, comparison_id=5
    )


def test_the_estimate_counts_questions_and_tokens(cast, comparisons):
    on_train_prompts(comparisons(5))
    judge = make_judge(cast.project)
    found = estimate(
        cast.project, scope="unrated", n_comparisons=3, n_principles=2, chain_of_thought=False, judge=judge
    )
    assert (found["n_available"], found["n_comparisons"], found["n_judgements"], found["n_questions"]) == (5, 3, 6, 12)
    with_thought = estimate(
        cast.project, scope="unrated", n_comparisons=3, n_principles=2, chain_of_thought=True, judge=judge
    )
    assert with_thought["n_questions"] == 24 and with_thought["n_tokens"] > 2 * found["n_tokens"] > 0


def test_what_is_stored_twice_is_stored_once(cast, comparisons):
    made = comparisons(3)
    judge = make_judge(cast.project)
    run = judge_them(judge, [(one, 0.7) for one in made])
    judge_them(judge, [(one, 0.2) for one in made], run=run)
    assert list(judge.ratings.order_by("pk").values_list("p_a", flat=True)) == pytest.approx([0.7] * 3)
