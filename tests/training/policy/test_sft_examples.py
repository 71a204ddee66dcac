"""What an SFT run is asked for, and what it learns from."""

import itertools
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from annotate.comparisons.models import Comparison
from annotate.comparisons.services import add_comparisons
from annotate.pool.models import Prompt, SourceKind
from tests.training.ratings import make_prompt, rate, running_job, sha256
from training.exports.models import ComparisonSet
from training.exports.services import create_comparison_set, write_comparison_set
from training.exports.spec import Spec
from training.policy import examples as module
from training.policy.examples import ChosenCompletions, Demonstrations, examples_of
from training.policy.options import SftOptions
from training.splits import split_of


def prompt_on(project, split: str, completions: list[str], kind: str = SourceKind.EXTERNAL) -> Prompt:
    start = Prompt.objects.count()
    texts = (f"Which tree is number {number}?" for number in itertools.count(start * 100))
    return make_prompt(project, next(text for text in texts if split_of(sha256(text)) == split), completions, kind)


def compare(project, prompt: Prompt, one: str, other: str, *answers: str) -> Comparison:
    """The comparison of two completions; an answer is the text that is preferred, or "tie"."""
    sides = {text: prompt.completions.get(text=text).pk for text in (one, other)}
    ids = add_comparisons(project=project, pairs=[(prompt.pk, sides[one], sides[other])])
    comparison = Comparison.objects.get(pk=next(iter(ids.values())))
    letters = {comparison.a.text: "a", comparison.b.text: "b", "tie": "tie"}
    rate(comparison, *(letters[answer] for answer in answers))
    return comparison


def frozen(project, **spec: Any) -> ComparisonSet:
    made = create_comparison_set(project=project, spec=Spec(**spec))
    return write_comparison_set(comparison_set=made, context=running_job(project))


def texts(examples: module.Examples, split: str = "train") -> list[str]:
    return [row["completion"] for row in examples.rows(split)]


def test_chosen_completions_are_learnt_from_and_the_test_split_is_not_read(cast):
    for split in ("train", "validation", "test"):
        prompt = prompt_on(cast.project, split, [f"good {split}", f"bad {split}"])
        compare(cast.project, prompt, f"good {split}", f"bad {split}", f"good {split}")
    examples = ChosenCompletions(frozen(cast.project))
    (row,) = examples.rows("train")
    assert row["completion"] == "good train"
    assert row["messages"] == Prompt.objects.get(completions__text="good train").messages
    assert row["id"] == f"comparison {Comparison.objects.get(a__text__endswith='train').pk}"
    assert texts(examples, "validation") == ["good validation"]
    length = len(row["messages"][0]["content"]) + len("good train")
    counts = {"n_examples": 1, "n_heldout": 1, "n_tokens": round(length / 4), "left_out": {}, "n_unread": 0}
    assert examples.counts == counts


def test_ties_choose_nothing(cast):
    prompt = prompt_on(cast.project, "train", ["good", "bad", "one", "other"])
    compare(cast.project, prompt, "good", "bad", "good")
    compare(cast.project, prompt, "one", "other", "tie")
    compare(cast.project, prompt, "one", "good", "one", "good")
    examples = ChosenCompletions(frozen(cast.project, ties="soft"))
    assert texts(examples) == ["good"]
    assert examples.counts["left_out"] == {"tie": 2}


def test_a_completion_is_taken_once_and_only_if_it_wins_more_than_it_loses(cast):
    prompt = prompt_on(cast.project, "train", ["best", "middle", "worst", "ugly"])
    compare(cast.project, prompt, "best", "middle", "best")
    compare(cast.project, prompt, "best", "worst", "best")
    compare(cast.project, prompt, "middle", "worst", "middle")
    other = prompt_on(cast.project, "train", ["middle", "worst"])
    compare(cast.project, other, "middle", "worst", "middle")
    examples = ChosenCompletions(frozen(cast.project))
    # To the first prompt, "middle" has won one and lost one; to the other it is another completion.
    assert sorted(texts(examples)) == ["best", "middle"]
    assert {row["messages"][0]["content"] for row in examples.rows("train") if row["completion"] == "middle"} == {
        other.messages[0]["content"]
    }
    assert examples.counts["left_out"] == {"outvoted": 1, "repeated": 1}


def test_of_a_large_set_the_first_rows_are_read_and_the_rest_is_told(cast, monkeypatch):
    for number in range(4):
        prompt = prompt_on(cast.project, "train", [f"good {number}", f"bad {number}"])
        compare(cast.project, prompt, f"good {number}", f"bad {number}", f"good {number}")
    monkeypatch.setitem(module.MOST, "train", 3)
    examples = ChosenCompletions(frozen(cast.project))
    assert len(texts(examples)) == examples.counts["n_examples"] == 3
    assert examples.counts["n_unread"] == 1


def test_demonstrations_are_what_people_wrote_in_this_pool(cast):
    for split in ("train", "validation", "test"):
        prompt_on(cast.project, split, [f"by a person, {split}"], SourceKind.HUMAN)
    prompt_on(cast.project, "train", ["   "], SourceKind.HUMAN)
    prompt_on(cast.project, "train", ["by a model"], SourceKind.SFT)
    examples = examples_of(cast.project.pool, None)
    assert isinstance(examples, Demonstrations)
    assert texts(examples) == ["by a person, train"]
    assert texts(examples, "validation") == ["by a person, validation"]
    assert examples.counts["left_out"] == {"empty": 1}
    (row,) = examples.rows("train")
    assert row["id"].startswith("completion ")


def test_long_ones_are_counted_by_about_four_characters_a_token(cast):
    prompt_on(cast.project, "train", ["x" * 400], SourceKind.HUMAN)
    examples = Demonstrations(cast.project.pool)
    assert (examples.n_long(90), examples.n_long(500)) == (1, 0)


def test_options_survive_json():
    options = SftOptions(base_model="checkpoint:4", comparison_set=2, epochs=1.5, lora_rank=8)
    assert SftOptions.parse(options.to_dict()) == options


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"base_model": "../x"}, "base_model"),
        ({"base_model": 3}, "base_model"),
        ({"base_model": "checkpoint:x"}, "base_model"),
        ({"comparison_set": 0}, "comparison_set"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"learning_rate": 2}, "learning_rate"),
        ({"max_length": 8}, "max_length"),
        ({"rows_per_step": 0}, "rows_per_step"),
        ({"lora_rank": -1}, "lora_rank"),
        ({"seed": 1.5}, "seed"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_bad_option_is_told_by_field(changes, field):
    with pytest.raises(ValidationError) as told:
        SftOptions.parse(changes)
    assert list(told.value.message_dict) == [field]
