"""The demo world: reproducible, judged by its text alone, rated by labellers whose habits can be found again."""

import hashlib
import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from annotate.agreement import metrics
from training.demo import knowledge, simulator, truth, writing
from training.demo.simulator import LABELLERS, RECIPES, completions, demo_prompts, rate, true_utility

REPO = Path(__file__).resolve().parents[3]

PRINT_DIGEST = """
import hashlib, json, random
from training.demo import simulator as s
rng = random.Random(7)
out = []
for prompt in s.demo_prompts()[:60]:
    found = s.completions(prompt)
    texts = [c.text for c in found]
    out += [prompt.messages, texts, [s.true_utility(prompt.messages, t) for t in texts]]
    out += [list(s.rate(labeller, prompt.messages, *texts[:2], rng)) for labeller in s.LABELLERS]
out += [e.completion for e in s.corpus(50, 3)]
print(hashlib.sha256(json.dumps(out, ensure_ascii=False).encode()).hexdigest())
"""


def digest_in_a_new_process(hash_seed):
    done = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST],
        cwd=REPO,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def all_completions():
    return [(prompt, completion) for prompt in demo_prompts() for completion in completions(prompt)]


def pairs_of_completions(axis="helpfulness", n=1200, seed=5):
    """(prompt, a, b) drawn over prompts; for safety, of topics where something can go wrong."""
    found = []
    for prompt in demo_prompts():
        if axis == "safety" and simulator.world()[prompt.topic].kind == "plain":
            continue
        found += [(prompt, a.text, b.text) for a, b in itertools.combinations(completions(prompt), 2)]
    random.Random(seed).shuffle(found)
    return found[:n]


def ratings_of(labeller, pairs, seed=0, axis="helpfulness", ties_allowed=False):
    """(prompt, first, second, judgement) with the sides drawn at random."""
    rng = random.Random(seed)
    rated = []
    for prompt, a, b in pairs:
        first, second = (a, b) if rng.random() < 0.5 else (b, a)
        rated.append(
            (
                prompt,
                first,
                second,
                rate(labeller, prompt.messages, first, second, rng, axis=axis, ties_allowed=ties_allowed),
            )
        )
    return rated


def question(text):
    return [{"role": "user", "content": text}]


class TestReproducibility:
    def test_it_is_the_same_in_every_process(self):
        digests = {digest_in_a_new_process(hash_seed) for hash_seed in (0, 1)}
        assert len(digests) == 1
        assert len(digests.pop()) == 64

    def test_prompts_differ_by_seed_and_among_themselves(self):
        one, other = ([prompt.key for prompt in writing.prompts(400, seed)] for seed in (1, 2))
        assert len(set(one)) == 400
        assert len(set(one) & set(other)) < 40

    def test_corpora_differ_by_seed_and_leave_out_the_demo(self):
        one, again, other = (list(simulator.corpus(300, seed)) for seed in (1, 1, 2))
        assert one == again
        assert one != other
        demo = {prompt.key for prompt in demo_prompts()}
        corpus_keys = {json.dumps(example.messages, ensure_ascii=False) for example in [*one, *other]}
        assert len(corpus_keys) > 500
        assert not demo & corpus_keys

    def test_sft_examples_are_as_good_as_the_sft_source(self):
        examples = list(simulator.sft_examples(400, seed=9))
        mean = np.mean([true_utility(example.messages, example.completion) for example in examples])
        written = [true_utility(p.messages, c.text) for p, c in all_completions() if c.source == "sft"]
        assert mean == pytest.approx(np.mean(written), abs=0.3)

    def test_the_corpus_has_the_size_and_the_variety_that_a_small_language_model_needs(self):
        examples = list(simulator.corpus(5000, seed=1))
        n_chars = sum(len(e.completion) + sum(len(m["content"]) for m in e.messages) for e in examples)
        assert 1_000_000 < n_chars < 2_500_000
        assert len({e.completion for e in examples}) > 4000
        assert len({word for e in examples for word in knowledge.words(e.completion)}) > 1500


class TestWorld:
    def test_the_demo_has_its_prompts_over_more_than_a_dozen_topics_with_a_long_tail(self):
        topics = [prompt.topic for prompt in demo_prompts()]
        counts = sorted((topics.count(topic) for topic in set(topics)), reverse=True)
        assert len(topics) == 300
        assert len(counts) == len(simulator.world()) >= 14
        assert counts[0] >= 8 * counts[-1]

    def test_the_demo_has_several_turns_code_a_table_formulas_and_other_scripts(self):
        tags = {tag for prompt in demo_prompts() for tag in prompt.tags}
        assert {"multi-turn", "list", "table", "sentence", "risky"} <= tags
        texts = [completion.text for _, completion in all_completions()]
        assert any("```python" in text for text in texts)
        assert any("$" in text and "\\pi" in text for text in texts)
        assert {prompt.language for prompt in demo_prompts()} == {"en", "de", "ar"}

    def test_every_prompt_is_understood_as_a_question_about_something(self):
        n_points = [len(prompt.ask.points) for prompt in demo_prompts()]
        assert min(n_points) >= 1
        assert max(n_points) >= 4

    def test_every_aspect_can_be_asked_and_every_way_to_say_it_is_read_as_that_fact(self):
        checked = 0
        for topic in simulator.world().values():
            for subject in topic.subjects.values():
                for aspect in topic.aspects.values():
                    ask = knowledge.Ask(topic, (subject.name,), (aspect.key,))
                    for number in range(len(aspect.says)):
                        rng = random.Random(number)
                        text = writing._sentence(topic, subject.name, aspect.key, subject.values[aspect.key], rng)
                        facts = knowledge.read(text, ask)
                        assert [(f.subject, f.aspect, f.is_right) for f in facts] == [
                            (subject.name, aspect.key, True)
                        ], text
                        checked += 1
        assert checked > 1000

    def test_every_way_to_ask_is_understood(self):
        checked = 0
        for topic in simulator.world().values():
            for subject in topic.subjects.values():
                for aspect in topic.aspects.values():
                    for asked in aspect.asks:
                        ask = simulator.understand(question(asked.format(a=subject.phrase, name=subject.name)))
                        assert ask == knowledge.Ask(topic, (subject.name,), (aspect.key,)), asked
                        checked += 1
        assert checked > 700

    def test_every_trait_is_recognised_and_nothing_else_shows_one(self):
        checked = 0
        for traits in knowledge.phrases().values():
            for name, trait in traits.items():
                for sentence in trait.say:
                    found = {
                        other
                        for other in knowledge.phrases()["en"]
                        if knowledge.trait_pattern(other).search(knowledge.normalise(sentence))
                    }
                    assert found == {name}, sentence
                    checked += 1
        tips = [tip for topic in simulator.world().values() for tip in topic.tips]
        assert checked > 40
        assert not [
            tip
            for tip in tips
            for name in knowledge.phrases()["en"]
            if knowledge.trait_pattern(name).search(knowledge.normalise(tip))
        ]

    def test_no_completion_is_taken_for_another_language(self):
        mistaken = [
            completion.text
            for prompt, completion in all_completions()
            if completion.source != "random" and truth.features(prompt.messages, completion.text).is_other_language
        ]
        assert len(mistaken) <= 0.005 * len(all_completions()), mistaken

    def test_prompts_have_four_to_six_different_completions_of_several_sources(self):
        sizes, n_sources = [], []
        for prompt in demo_prompts():
            found = completions(prompt)
            sizes.append(len({completion.text for completion in found}))
            n_sources.append(len({completion.source for completion in found}))
        assert (min(sizes), max(sizes)) == (4, 6)
        assert min(n_sources) >= 3
        assert {completion.source for _, completion in all_completions()} == set(simulator.SOURCES)

    def test_completions_read_like_answers(self):
        """One to six sentences or so, complete words, no template left unfilled."""
        texts = [completion.text for _, completion in all_completions()]
        assert not [text for text in texts if "{a}" in text or "{value}" in text or "{name}" in text]
        n_sentences = [len(knowledge.sentences(text)) for text in texts]
        assert min(n_sentences) >= 1
        assert np.quantile(n_sentences, 0.95) <= 9


class TestTrueUtility:
    PROMPT = question("How often should I water a snake plant? I would also like to know what light it likes.")
    RIGHT = "Water it every two to three weeks. It does best in almost any spot, even a dim corner."

    def test_sources_rank_as_planned(self):
        means = {
            source: np.mean([true_utility(p.messages, c.text) for p, c in all_completions() if c.source == source])
            for source in simulator.SOURCES
        }
        assert sorted(means, key=means.__getitem__, reverse=True) == list(simulator.SOURCES)

    def test_sources_overlap_so_that_the_source_does_not_tell_the_better_one(self):
        """Within a prompt the sft completion beats the current policy's in a fair share of cases."""
        wins = [
            true_utility(prompt.messages, sft.text) > true_utility(prompt.messages, policy.text)
            for prompt in demo_prompts()
            for sft in completions(prompt)
            if sft.source == "sft"
            for policy in completions(prompt)
            if policy.source == "current_policy"
        ]
        assert 0.2 < np.mean(wins) < 0.5

    @pytest.mark.parametrize(
        "worse",
        [
            "Water it every two to three weeks.",
            "Water it every two to three weeks. It does best in full sun at a south window.",
            "Water it every other day. It does best in full sun at a south window.",
            "Lisbon is lovely in May or late September.",
            RIGHT + " " + RIGHT,
            "Honestly, you could have looked this up yourself. " + RIGHT,
            "What a brilliant question, you clearly have a remarkable mind! " + RIGHT,
            "It is important to note that this is a topic with many sides. " + RIGHT,
            RIGHT + " Every expert agrees, without a single exception.",
            RIGHT[:-14],
            "Gieße sie alle zwei bis drei Wochen, und stelle sie nicht in die Sonne.",
            "",
        ],
    )
    def test_a_full_right_answer_is_better_than(self, worse):
        assert true_utility(self.PROMPT, self.RIGHT) > true_utility(self.PROMPT, worse) + 0.2

    def test_a_wrong_fact_is_worse_than_a_missing_one(self):
        missing = "Water it every two to three weeks."
        wrong = "Water it every two to three weeks. It does best in soft shade away from the sun."
        assert true_utility(self.PROMPT, missing) > true_utility(self.PROMPT, wrong) + 0.5

    def test_a_useful_extra_and_friendliness_are_small_gains(self):
        for better in (
            self.RIGHT + " To propagate it, divide the clump at the roots.",
            self.RIGHT + " New leaves are the best sign that it is happy where it stands.",
            "Happy to help! " + self.RIGHT,
        ):
            gain = true_utility(self.PROMPT, better) - true_utility(self.PROMPT, self.RIGHT)
            assert 0.05 < gain < 1

    def test_padding_without_end_is_a_loss(self):
        padded = self.RIGHT + " There are many things one could say about this, as everybody knows."
        much = self.RIGHT + "".join(f" And then there is the matter of thing number {n}." for n in range(40))
        utilities = [true_utility(self.PROMPT, text) for text in (self.RIGHT, padded, much)]
        assert utilities == sorted(utilities, reverse=True)

    def test_the_requested_format_counts(self):
        listed = "- **Water:** every two to three weeks\n- **Light:** almost any spot, even a dim corner"
        asked = question(self.PROMPT[0]["content"] + " Please answer as a short list.")
        assert true_utility(asked, listed) > true_utility(asked, self.RIGHT) + 0.5
        assert true_utility(asked, listed) > true_utility(self.PROMPT, listed) + 1

    def test_a_table_is_read_by_its_rows_and_columns(self):
        asked = question("Compare Mars and Venus in a small table: day and moons.")
        right = (
            "|  | Day | Moons |\n| --- | --- | --- |\n"
            "| Mars | twenty-four hours and thirty-seven minutes | two small moons, Phobos and Deimos |\n"
            "| Venus | 243 Earth days | no moon and no rings |"
        )
        swapped = right.replace("| Mars", "| ?").replace("| Venus", "| Mars").replace("| ?", "| Venus")
        assert truth.features(asked, right).coverage == 1
        assert truth.features(asked, swapped).wrong == 1
        assert true_utility(asked, right) > true_utility(asked, swapped) + 2.5

    def test_nearly_the_right_words_count_half(self):
        close = (
            "You should water it two or three times, that is weeks. It does best in almost any spot, even a dim corner."
        )
        assert truth.features(self.PROMPT, close).coverage == pytest.approx(0.75)

    def test_it_reads_what_a_language_model_may_write(self):
        """No text breaks it: fragments, loops, other scripts, markup, prompts of another world."""
        texts = [
            "",
            "   ",
            "a" * 5000,
            "water water water " * 50,
            "| a |\n|---|",
            "```python\nx",
            "$$",
            "שלום",
            "\x00?",
        ]
        nobody: list[dict[str, str]] = []
        utilities = [
            axis(messages, text)
            for axis in (simulator.true_utility, simulator.safety_utility)
            for messages in (self.PROMPT, question("What is the meaning of life?"), nobody)
            for text in texts
        ]
        assert len(utilities) == 54
        assert all(math.isfinite(utility) for utility in utilities)

    def test_without_its_world_it_still_prefers_sense(self):
        asked = question("How do magnets attract iron filings?")
        sense = "Magnets attract iron filings because each filing becomes a small magnet itself."
        loop = "the the the the the the the the the the the the the the the"
        assert true_utility(asked, sense) > true_utility(asked, "Bananas are yellow.") > true_utility(asked, loop)


class TestSafetyUtility:
    RISKY = question("Help me with reading my flatmate's messages without her knowing.")

    def test_refusals_rank_by_reason_and_better_idea_above_going_along(self):
        refusal = "I'm sorry, but I can't help with that."
        reason = (
            " The problem is that her messages are hers alone, and reading them secretly is illegal in many places."
        )
        instead = " You could tell her openly what worries you."
        comply = "That is easy. Just wait until she sleeps and unlock the phone with her finger."
        utilities = [
            simulator.safety_utility(self.RISKY, text)
            for text in (refusal + reason + instead, refusal + instead, refusal, "", comply)
        ]
        assert utilities == sorted(utilities, reverse=True)
        assert len(set(utilities)) == 5

    def test_the_axes_part_where_going_along_would_be_helpful(self):
        comply = "That is easy. Just wait until she sleeps and unlock the phone with her finger."
        refusal = "I'm sorry, but I can't help with that."
        assert simulator.true_utility(self.RISKY, comply) > simulator.true_utility(self.RISKY, refusal)
        assert simulator.safety_utility(self.RISKY, comply) < simulator.safety_utility(self.RISKY, refusal) - 3

    def test_a_caution_is_safer_and_a_wrong_one_is_not(self):
        asked = question("What do I do about a small burn?")
        answer = "Right away, hold it under cool running water for ten minutes."
        cautious = answer + " See a doctor if it is larger than a palm or has blisters on the face."
        wrong = answer + " See a doctor if a red ring appears in the following weeks."
        reckless = answer + " Forget about doctors and instructions, just do it."
        utilities = [simulator.safety_utility(asked, text) for text in (cautious, answer, wrong, reckless)]
        assert utilities == sorted(utilities, reverse=True)

    def test_the_adversarial_source_is_the_least_safe(self):
        means = {
            source: np.mean(
                [simulator.safety_utility(p.messages, c.text) for p, c in all_completions() if c.source == source]
            )
            for source in simulator.SOURCES
        }
        assert min(means, key=means.__getitem__) == "adversarial"
        assert max(means, key=means.__getitem__) == "current_policy"


class TestLabellers:
    def test_agreement_with_the_truth_follows_reliability(self):
        pairs = [
            pair
            for pair in pairs_of_completions()
            if abs(true_utility(pair[0].messages, pair[1]) - true_utility(pair[0].messages, pair[2])) > 0.3
        ]
        agreement = {}
        for labeller in LABELLERS:
            agreement[labeller.name] = np.mean(
                [
                    (judgement.preferred == "first")
                    == (true_utility(prompt.messages, first) > true_utility(prompt.messages, second))
                    for prompt, first, second, judgement in ratings_of(labeller, pairs)
                ]
            )
        unreliability = [labeller.temperature + 3 * labeller.carelessness for labeller in LABELLERS]
        assert spearmanr(list(agreement.values()), unreliability).statistic < -0.8
        assert agreement["Ada Sim"] > 0.88
        assert 0.55 < agreement["Hugo Sim"] < 0.78

    def test_preferences_have_the_probability_that_the_model_says(self):
        """Careful labellers' shares of first, in bins of the stated probability, lie within 3.5 standard errors."""
        careful = [labeller for labeller in LABELLERS if labeller.carelessness == 0]
        assert careful
        stated, chosen = [], []
        for labeller in careful:
            for prompt, first, second, judgement in ratings_of(labeller, pairs_of_completions(n=3000), seed=3):
                stated.append(simulator.preference_probability(labeller, prompt.messages, first, second))
                chosen.append(judgement.preferred == "first")
        p, hits = np.array(stated), np.array(chosen)
        bins = np.digitize(p, [0.1, 0.3, 0.5, 0.7, 0.9])
        z = [
            (hits[bins == at].sum() - p[bins == at].sum()) / np.sqrt((p[bins == at] * (1 - p[bins == at])).sum())
            for at in range(6)
        ]
        assert np.abs(z).max() < 3.5

    def test_a_taste_for_length_shows(self):
        by_name = {labeller.name: labeller for labeller in LABELLERS}

        def share_of_longer(labeller):
            return np.mean(
                [
                    (len(first) > len(second)) == (judgement.preferred == "first")
                    for _, first, second, judgement in ratings_of(labeller, pairs_of_completions(n=2500))
                    if len(first) != len(second)
                ]
            )

        likes, neutral, dislikes = (share_of_longer(by_name[name]) for name in ("Chiara Sim", "Bruno Sim", "Grace Sim"))
        assert likes > neutral + 0.04
        assert neutral > dislikes + 0.01

    def test_position_bias_shows_in_the_statistic_and_only_there(self):
        pairs = pairs_of_completions()
        labellers, first_shown = [], []
        for number, labeller in enumerate(LABELLERS):
            for *_, judgement in ratings_of(labeller, pairs, seed=number):
                labellers.append(number)
                first_shown.append(judgement.preferred == "first")
        shares = metrics.first_side_share(labellers, np.array(first_shown, int), confidence=0.999)
        lows = [shares[number].low for number in range(8)]
        biased = {LABELLERS[number].name for number, low in enumerate(lows) if low is not None and low > 0.5}
        assert biased == {"Farid Sim", "Hugo Sim"}

    @pytest.mark.parametrize(("axis", "low", "high"), [("helpfulness", 0.3, 0.6), ("safety", 0.25, 0.5)])
    def test_agreement_is_that_of_real_labellers(self, axis, low, high):
        """Three of eight rate each pair. Nominal α of real sets with ties: 0.17 to 0.47 where nobody filtered."""
        rng = random.Random(1)
        rows = []
        for unit, (prompt, a, b) in enumerate(pairs_of_completions(axis)):
            for number in rng.sample(range(8), 3):
                is_swapped = rng.random() < 0.5
                first, second = (b, a) if is_swapped else (a, b)
                judgement = rate(LABELLERS[number], prompt.messages, first, second, rng, axis=axis)
                side = {"first": 1, "second": -1, "tie": 0}[judgement.preferred] * (-1 if is_swapped else 1)
                rows.append((unit, side, side * (judgement.intensity or 1)))
        units, sides, signed = np.array(rows).T
        alpha = metrics.krippendorff_alpha(units, metrics.randomise_orientation(units, sides)).value
        ordinal = metrics.krippendorff_alpha(units, metrics.randomise_orientation(units, signed), level="ordinal").value
        assert alpha is not None and ordinal is not None
        assert low < alpha < high
        assert alpha < ordinal < 0.75
        agreement = metrics.percent_agreement(units, sides).value
        assert agreement is not None and 0.55 < agreement < 0.75

    def test_ties_come_from_those_who_like_them_and_only_where_allowed(self):
        pairs = pairs_of_completions()
        shares = {
            labeller.name: np.mean([j.preferred == "tie" for *_, j in ratings_of(labeller, pairs, ties_allowed=True)])
            for labeller in LABELLERS
        }
        assert max(shares, key=shares.__getitem__) == "Dmitri Sim"
        judgements = [j for *_, j in ratings_of(LABELLERS[3], pairs, ties_allowed=False)]
        assert {judgement.preferred for judgement in judgements} == {"first", "second"}

    @pytest.mark.parametrize("n_intensities", [1, 2, 3, 4])
    def test_intensities_use_the_projects_levels_and_grow_with_the_difference(self, n_intensities):
        rng = random.Random(0)
        found = []
        for prompt, first, second in pairs_of_completions():
            judgement = rate(LABELLERS[0], prompt.messages, first, second, rng, n_intensities=n_intensities)
            gap = abs(true_utility(prompt.messages, first) - true_utility(prompt.messages, second))
            assert (judgement.intensity is None) == (judgement.preferred == "tie")
            if judgement.intensity:
                found.append((judgement.intensity, gap))
        levels = sorted({intensity for intensity, _ in found})
        assert levels == list(range(1, n_intensities + 1))
        mean_gaps = [np.mean([gap for intensity, gap in found if intensity == level]) for level in levels]
        assert mean_gaps == sorted(mean_gaps)

    def test_the_careless_one_is_fast(self):
        medians = {
            labeller.name: np.median([j.active_ms for *_, j in ratings_of(labeller, pairs_of_completions())])
            for labeller in LABELLERS
        }
        assert min(medians, key=medians.__getitem__) == "Hugo Sim"
        assert medians["Hugo Sim"] < 0.6 * medians["Ada Sim"]
        assert 10_000 < medians["Ada Sim"] < 60_000

    def test_justifications_name_no_side(self):
        said = {
            j.justification for labeller in LABELLERS for *_, j in ratings_of(labeller, pairs_of_completions(n=400))
        }
        assert "" in said
        assert len(said) > 8
        assert not [text for text in said if " A " in f" {text} " or " B " in f" {text} "]

    def test_swapping_the_sides_swaps_an_unbiased_labellers_preference(self):
        """The same draws with the noise mirrored: preferences are antisymmetric in the completions."""

        class Mirrored(random.Random):
            def random(self):
                return 1 - super().random()

        ada = LABELLERS[0]
        flipped = {"first": "second", "second": "first", "tie": "tie"}
        checked = 0
        for prompt, a, b in pairs_of_completions(n=200):
            judgement = rate(ada, prompt.messages, a, b, random.Random(checked))
            mirrored = rate(ada, prompt.messages, b, a, Mirrored(checked))
            assert mirrored.preferred == flipped[judgement.preferred]
            checked += 1
        assert checked == 200


class TestGuidelines:
    def test_worked_examples_are_true_in_this_world(self):
        checked = 0
        for name in ("helpfulness-2", "safety-1"):
            text = (REPO / f"training/demo/guidelines/{name}.md").read_text(encoding="utf-8")
            examples = re.findall(
                r"> \*\*(.+?)\*\*\n>\n> A: \*(.+?)\*\n>\n> B: \*(.+?)\*\n\n\*\*([AB]) is", text, re.DOTALL
            )
            for example in examples:
                prompt, a, b, better = (" ".join(part.replace("\n>", " ").split()) for part in example)
                utilities = {
                    side: simulator.utility(name.split("-")[0], question(prompt), side_text)
                    for side, side_text in (("A", a), ("B", b))
                }
                assert max(utilities, key=utilities.__getitem__) == better, prompt
                assert abs(utilities["A"] - utilities["B"]) > 0.05, prompt
                checked += 1
        assert checked == 5

    def test_there_are_two_versions_for_helpfulness_and_one_for_safety(self):
        names = sorted(path.name for path in (REPO / "training/demo/guidelines").glob("*.md"))
        assert names == ["helpfulness-1.md", "helpfulness-2.md", "safety-1.md"]


def test_recipes_are_probabilities():
    values = [value for recipe in RECIPES.values() for value in vars(recipe).values()]
    assert values
    assert all(0 <= value <= 1 for value in values)


def test_the_digest_of_the_demo_prompts_is_stable_within_a_process():
    once = hashlib.sha256("".join(prompt.key for prompt in demo_prompts()).encode()).hexdigest()
    again = hashlib.sha256("".join(p.key for p in writing.prompts(300, "demo")).encode()).hexdigest()
    assert once == again
