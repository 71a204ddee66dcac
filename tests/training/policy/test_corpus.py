import pytest

from annotate.comparisons.services import add_comparisons
from annotate.pool.models import Prompt, SourceKind
from tests.training.ratings import make_prompt, rate
from training.exports.aggregation import split_of
from training.policy import corpus
from training.policy.corpus import FEW, corpus_rows, sft_completions, sft_rows


def test_no_held_out_prompt_is_read(cast):
    for number in range(60):
        make_prompt(cast.project, f"Question {number}?", [f"one {number}", f"two {number}"])
    training = {prompt.messages[0]["content"] for prompt in Prompt.objects.all() if split_of(prompt.digest) == "train"}
    assert 30 < len(training) < 60
    rows = list(corpus_rows(cast.project.pool))
    assert {row["messages"][0]["content"] for row in rows} == training
    assert len(rows) == 2 * len(training)
    completions, _ = sft_completions(cast.project.pool)
    examples = list(sft_rows(completions, cast.project.pool))
    assert {row["messages"][0]["content"] for row in examples} == training


def test_the_budget_bounds_the_corpus_and_the_order_is_the_digests(cast, monkeypatch):
    for number in range(60):
        make_prompt(cast.project, f"Question {number}?", ["x" * 100])
    everything = list(corpus_rows(cast.project.pool))
    monkeypatch.setattr(corpus, "BUDGET_CHARS", 1000)
    some = list(corpus_rows(cast.project.pool))
    assert 0 < len(some) < len(everything)
    assert some == everything[: len(some)]


def sources(cast) -> str:
    return sft_completions(cast.project.pool)[1]


def test_sft_completions_come_first_then_winners_then_peoples_then_all(cast):
    for number in range(FEW):
        make_prompt(cast.project, f"e{number}", [f"good {number}", f"bad {number}"], SourceKind.EXTERNAL)
    assert sources(cast).startswith("all completions")
    for number in range(FEW):
        make_prompt(cast.project, f"h{number}", [f"human {number}"], SourceKind.HUMAN)
    assert sources(cast).startswith("the completions that people wrote")
    for prompt in Prompt.objects.filter(excerpt__startswith="e"):
        good, bad = prompt.completions.order_by("id")
        ids = add_comparisons(project=cast.project, pairs=[(prompt.pk, good.pk, bad.pk)])
        rate(cast.project.comparisons.get(pk=next(iter(ids.values()))), "a", "a", "b")
    completions, what = sft_completions(cast.project.pool)
    assert what.startswith("the completions that ratings preferred")
    assert {completion.text.split()[0] for completion in completions} == {"good"}
    for number in range(FEW):
        make_prompt(cast.project, f"s{number}", [f"sft {number}"], SourceKind.SFT)
    completions, what = sft_completions(cast.project.pool)
    assert what == "the pool's sft completions"
    assert completions.count() == FEW


@pytest.mark.parametrize("kind", [SourceKind.SFT, SourceKind.HUMAN])
def test_a_handful_is_not_enough(cast, kind):
    for number in range(FEW - 1):
        make_prompt(cast.project, f"{number}", [f"text {number}"], kind)
    assert sources(cast).startswith("all completions")
