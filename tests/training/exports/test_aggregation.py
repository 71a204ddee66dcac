"""Expected values are worked out by hand in each test."""

from fractions import Fraction

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from training.exports.aggregation import (
    Vote,
    adjudicated,
    aggregate,
    drawn_side,
    margin_of,
    smoothed_share,
    split_of,
    weight_of,
)
from training.exports.spec import Spec


def votes(text: str, intensity: int | None = None) -> list[Vote]:
    """ "aab=" is two votes for a, one for b and a tie."""
    names = {"a": "a", "b": "b", "=": "tie"}
    return [Vote(names[letter], intensity if letter != "=" else None) for letter in text]


def verdict(text: str, **spec):
    return aggregate(votes(text), Spec(**spec), n_levels=4, comparison_id=7)


def test_it_takes_the_majority_and_smooths_its_share():
    """Three votes, two for a: chosen a, (2 + ½) / (3 + 1) = 0.625, agreement 2/3."""
    said = verdict("aab")
    assert said is not None
    assert (said.chosen, said.soft_preference, said.is_tie) == ("a", 0.625, False)
    assert said.agreement == pytest.approx(2 / 3)


def test_it_chooses_b_when_b_has_more_votes():
    """Four votes, four for b: (4 + ½) / 5 = 0.9."""
    said = verdict("bbbb")
    assert said is not None
    assert (said.chosen, said.soft_preference, said.agreement) == ("b", 0.9, 1.0)


def test_single_ties_are_no_votes_when_ties_are_dropped():
    """a, a, tie: (2 + ½) / (2 + 1) = 5/6; two of three ratings gave the verdict."""
    said = verdict("aa=", ties="drop")
    assert said is not None
    assert said.soft_preference == pytest.approx(float(Fraction(5, 6)))
    assert said.agreement == pytest.approx(2 / 3)


def test_single_ties_are_half_votes_when_ties_are_soft():
    """a, a, tie: w = 2½ of n = 3, (2½ + ½) / 4 = 0.75."""
    said = verdict("aa=", ties="soft")
    assert said is not None
    assert said.soft_preference == 0.75


def test_a_tie_is_left_out_or_kept_at_one_half():
    assert verdict("ab", ties="drop") is None
    kept = verdict("==", ties="soft")
    assert kept is not None
    assert (kept.soft_preference, kept.margin, kept.agreement, kept.is_tie) == (0.5, 0.0, 1.0, True)


def test_a_split_is_a_tie_that_nobody_voted_for():
    """a, b: no rating says tie, so its agreement is 0 and any floor leaves it out."""
    assert verdict("ab", ties="soft").agreement == 0.0
    assert verdict("ab", ties="soft", min_agreement=0.1) is None


def test_it_leaves_out_too_few_ratings_and_low_agreement():
    assert verdict("aa", min_ratings=3) is None
    assert verdict("aaa", min_ratings=3) is not None
    assert verdict("aab", min_agreement=0.67) is None
    assert verdict("aab", min_agreement=2 / 3) is not None


def test_intensity_is_the_mean_of_those_who_preferred_the_chosen_side():
    """a strongly (4), a slightly (2), b at 1: mean of 4 and 2 = 3; margin (3 − 1)/3 = 2/3; weight 3/2.5 = 1.2."""
    given_votes = [Vote("a", 4), Vote("a", 2), Vote("b", 1)]
    said = aggregate(given_votes, Spec(), n_levels=4, comparison_id=1)
    assert said is not None
    assert said.intensity == 3.0
    assert said.margin == pytest.approx(2 / 3)
    assert said.weight == pytest.approx(1.2)
    plain = aggregate(given_votes, Spec(intensity_weighting="none"), n_levels=4, comparison_id=1)
    assert plain is not None and plain.weight == 1.0


def test_margins_are_llama_2s_small_ones_and_weights_average_one_over_the_scale():
    assert [margin_of(level, 4) for level in (1, 2, 3, 4)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [weight_of(level, 4) for level in (1, 2, 3, 4)] == pytest.approx([0.4, 0.8, 1.2, 1.6])
    assert (margin_of(None, 4), weight_of(None, 4), margin_of(1, 1), weight_of(1, 1)) == (0.0, 1.0, 0.0, 1.0)


def test_a_reviewers_verdict_counts_like_unanimous_ratings():
    """Three ratings said otherwise; the verdict b at 2: (3 + ½) / 4 = 0.875."""
    said = adjudicated("b", 2, 3, Spec(), n_levels=4, comparison_id=1)
    assert said is not None
    assert (said.chosen, said.soft_preference, said.agreement, said.intensity) == ("b", 0.875, 1.0, 2)
    assert adjudicated("invalid", None, 3, Spec(), n_levels=4, comparison_id=1) is None
    assert adjudicated("a", 2, 3, Spec(include_adjudicated=False), n_levels=4, comparison_id=1) is None
    assert adjudicated("tie", None, 3, Spec(ties="drop"), n_levels=4, comparison_id=1) is None
    assert adjudicated("tie", None, 3, Spec(ties="soft"), n_levels=4, comparison_id=1).soft_preference == 0.5


@given(st.text(alphabet="ab=", min_size=1, max_size=12), st.sampled_from(["drop", "soft"]))
def test_swapping_the_sides_swaps_the_choice_and_nothing_else(text, ties):
    mirrored = text.translate(str.maketrans("ab", "ba"))
    one, other = verdict(text, ties=ties), verdict(mirrored, ties=ties)
    if one is None or other is None or one.is_tie:
        assert (one is None) == (other is None)
        assert one == other  # a tie's side is drawn by the id, not by the votes
    else:
        assert {one.chosen, other.chosen} == {"a", "b"}
        assert (one.soft_preference, one.agreement) == (other.soft_preference, other.agreement)
        assert 0.5 < one.soft_preference < 1


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_smoothed_shares_of_both_sides_add_up_to_one(wins, losses):
    n = wins + losses
    assert smoothed_share(wins, n) + smoothed_share(losses, n) == pytest.approx(1)


def test_ties_fall_on_either_side():
    sides = [drawn_side(number) for number in range(2000)]
    assert 900 < sides.count("a") < 1100  # 1000 expected, standard deviation 22


def test_prompts_split_eighty_ten_ten_by_their_digest():
    """The first 32 bits modulo 10: 0 to 7 train, 8 validation, 9 test."""
    assert [split_of(f"{number:08x}" + "0" * 56) for number in (0, 7, 8, 9, 10)] == [
        "train",
        "train",
        "validation",
        "test",
        "train",
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_ratings", 0),
        ("min_ratings", True),
        ("min_agreement", 1.5),
        ("min_agreement", "high"),
        ("ties", "keep"),
        ("intensity_weighting", "x"),
        ("include_adjudicated", 1),
        ("max_comparisons", 0),
    ],
)
def test_a_spec_names_the_field_that_is_wrong(field, value):
    with pytest.raises(ValidationError) as refusal:
        Spec(**{field: value})
    assert list(refusal.value.message_dict) == [field]


def test_a_spec_refuses_a_field_that_does_not_exist():
    with pytest.raises(ValidationError) as refusal:
        Spec.parse({"min_rating": 2})
    assert list(refusal.value.message_dict) == ["min_rating"]
