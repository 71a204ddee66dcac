"""What a round brought, against numbers worked out by hand."""

import pytest

from annotate.agreement.models import ModelOpinion
from annotate.comparisons.models import Comparison
from annotate.ratings.models import Adjudication
from tests.training.ratings import rate
from tests.training.reward.registered import make_model
from training.exports.aggregation import split_of
from training.reward.models import RewardModel, RewardModelState
from training.sampling.models import RoundOpinion
from training.sampling.outcome import accuracies_of, outcome
from training.sampling.selectors import sampling_rounds


def test_accuracy_of_both_parts_with_wilsons_interval(cast, comparisons, draw):
    """Chosen: 12 comparisons, gaps favour a, labellers b in 6 of them: 6 of 12, Wilson 0.2538 to 0.7462 (z = 1.96:
    centre ½, half width 1.96 · √(1/48 + 3.8416/576) / (1 + 3.8416/12)). Random: 10 of 10, 0.7225 to 1."""
    made = comparisons(22)
    sampling_round = draw(made, random=tuple(range(12, 22)), gaps=[1.0] * 22)
    for number, comparison in enumerate(made):
        rate(comparison, *(["b", "b"] if number < 6 else ["a", "a"]))
    found = outcome(sampling_round)
    chosen, random = found["arms"]["chosen"], found["arms"]["random"]
    assert chosen["accuracy"]["value"] == 0.5 and chosen["accuracy"]["n"] == 12
    assert (chosen["accuracy"]["low"], chosen["accuracy"]["high"]) == pytest.approx((0.2538, 0.7462), abs=1e-4)
    assert random["accuracy"]["value"] == 1.0
    assert random["accuracy"]["low"] == pytest.approx(10 / (10 + 3.8415), abs=1e-4)
    assert found["is_harder"] is False  # 0.7462 is above 0.7225
    assert (chosen["n"], chosen["n_rated"], chosen["n_labels"], found["n_labels"]) == (12, 12, 24, 44)
    agreement = chosen["agreement"]  # of 12 of 12, Wilson: 12 / (12 + 3.8415)
    assert agreement["value"] == 1.0 and agreement["low"] == pytest.approx(12 / (12 + 3.8415), abs=1e-4)


def test_what_names_no_side_is_in_no_accuracy(cast, comparisons, draw):
    made = comparisons(15)
    sampling_round = draw(made, gaps=[0.0, *[1.0] * 14])
    for comparison in made[:14]:
        rate(comparison, "a")
    rate(made[14], "tie")  # names no side
    Comparison.objects.filter(pk=made[1].pk).update(n_flags=1)
    for comparison, verdict in ((made[2], "b"), (made[3], "invalid"), (made[4], "tie"), (made[5], "reopened")):
        Adjudication.objects.create(comparison=comparison, reviewer=cast.reviewer, verdict=verdict)
    # 14 rated a, less flagged, invalid and settled as a tie; of 11 one has no gap (½) and one was turned round.
    found = accuracies_of([sampling_round.pk])[sampling_round.pk]["chosen"]
    assert (found["n"], found["value"]) == (11, pytest.approx(9.5 / 11))


def test_few_ratings_are_said_to_be_too_few(cast, comparisons, draw):
    made = comparisons(12)
    sampling_round = draw(made, random=(0, 1))
    for comparison in made[:9]:
        rate(comparison, "a")
    found = outcome(sampling_round)
    assert found["arms"]["chosen"]["accuracy"] == {"value": None, "low": None, "high": None, "n": 7, "too_few": True}
    assert found["arms"]["random"]["accuracy"]["n"] == 2
    assert found["is_harder"] is None


def test_agreement_is_the_share_of_equal_pairs_of_ratings(cast, comparisons, draw):
    """Ten of aab (1 of 3 pairs equal) and two of aa (1 of 1): 12 of 32 pairs."""
    made = comparisons(12)
    sampling_round = draw(made)
    for comparison in made[:10]:
        rate(comparison, "a", "a", "b")
    for comparison in made[10:]:
        rate(comparison, "a", "a")
    found = outcome(sampling_round)["arms"]["chosen"]["agreement"]
    assert (found["n"], found["value"]) == (12, pytest.approx(12 / 32))
    assert found["low"] < 12 / 32 < found["high"]


@pytest.fixture
def held_out(cast, comparisons):
    """Comparisons whose prompts no model learns from, 12 at least, and two that models do learn from."""
    made = comparisons(100)
    apart = [one for one in made if split_of(one.prompt.digest) != "train"]
    return apart[:12], [one for one in made if one not in apart][:2]


def test_later_models_on_held_out_prompts_of_the_random_part(cast, held_out, draw):
    """12 held-out comparisons: the round's model is right on 4, v2 on these less one and on 5 more: 8 of 12."""
    apart, learnt = held_out
    assert len(apart) == 12
    gaps = [*[1.0] * 4, *[-1.0] * 8, 1.0, 1.0]
    sampling_round = draw([*apart, *learnt], random=tuple(range(14)), gaps=gaps)
    for comparison in [*apart, *learnt]:
        rate(comparison, "a")
    v2 = make_model(cast.project)
    for number, sampled in enumerate(sampling_round.sampled_comparisons.order_by("rank")):
        RoundOpinion.objects.create(sampled=sampled, reward_model=v2, gap=1.0 if 1 <= number < 9 else -1.0)
    (found,) = outcome(sampling_round)["later_models"]
    assert found["reward_model"] == {"id": v2.pk, "version": 2}
    assert (found["before"]["n"], found["before"]["value"]) == (12, pytest.approx(4 / 12))
    assert (found["after"]["n"], found["after"]["value"]) == (12, pytest.approx(8 / 12))
    assert (found["n_better"], found["n_worse"]) == (5, 1)


def test_what_the_promoted_model_told_reviewers_is_used(cast, held_out, draw):
    apart, _ = held_out
    sampling_round = draw(apart, random=tuple(range(12)), gaps=[-1.0] * 12)
    RewardModel.objects.update(state=RewardModelState.RETIRED)
    make_model(cast.project, RewardModelState.PROMOTED)
    for comparison in apart:
        rate(comparison, "a")
        ModelOpinion.objects.create(comparison=comparison, project=cast.project, p_a=0.75, version=2, is_held_out=True)
    (found,) = outcome(sampling_round)["later_models"]
    assert (found["before"]["value"], found["after"]["value"], found["n_better"]) == (0.0, 1.0, 12)


def test_the_page_costs_the_same_whatever_the_rounds_size(cast, comparisons, draw, django_assert_num_queries):
    made = comparisons(12)
    rounds = [draw(made[:2]), draw(made)]
    for sampling_round in sampling_rounds(cast.project).order_by("number"):
        with django_assert_num_queries(5):  # accuracies, labels, two agreements, later models
            outcome(sampling_round)
    with django_assert_num_queries(1):
        accuracies_of([one.pk for one in rounds])
