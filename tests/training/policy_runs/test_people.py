"""Human checkpoints: what is put before people, and what their ratings say of a policy."""

from math import exp, log
from typing import Any

import pytest

from annotate.comparisons.models import Comparison
from annotate.pool.models import Completion, CompletionSource, Prompt
from annotate.projects.models import AuditEvent
from annotate.projects.services import create_project
from annotate.ratings.models import Adjudication
from tests.training.policy_runs.conftest import N_HELD_OUT, metrics, prompts_of, rows
from tests.training.ratings import rate
from training.policy_runs import judging
from training.policy_runs.models import PolicyEvaluation, PolicyRun, PolicySample
from training.policy_runs.people import ask_people, win_rates
from training.policy_runs.running import store_evaluation
from training.sampling.models import SamplingRound
from training.sampling.options import SamplingOptions
from training.sampling.services import _priority, create_round

URL = "/api/v1/projects/helpfulness/policy-runs/1"


def asked_of(evaluation: PolicyEvaluation) -> list[PolicySample]:
    return list(evaluation.samples.filter(is_asked=True).select_related("comparison").order_by("prompt"))


def say(sample: PolicySample, *answers: str) -> None:
    """Ratings by people: "win", "loss" or "tie" each, for the policy."""
    assert sample.comparison is not None
    mine = "a" if sample.comparison.a_id == sample.completion_row_id else "b"
    other = "b" if mine == "a" else "a"
    rate(sample.comparison, *({"win": mine, "loss": other, "tie": "tie"}[answer] for answer in answers))


def say_of(evaluation: PolicyEvaluation, n_wins: int, n_losses: int, n_ties: int = 0) -> None:
    answers = ["win"] * n_wins + ["loss"] * n_losses + ["tie"] * n_ties
    for sample, answer in zip(asked_of(evaluation), answers, strict=False):
        say(sample, answer)


def settle(cast, sample: PolicySample, verdict: str, intensity: int | None = None) -> None:
    assert sample.comparison is not None
    Adjudication.objects.create(
        comparison=sample.comparison, reviewer=cast.reviewer, verdict=verdict, intensity=intensity
    )


# --- asking ----------------------------------------------------------------------------------------------------------
def test_people_are_asked_about_the_same_prompts_at_every_checkpoint(cast, started, evaluated):
    run = started()
    first, second = evaluated(run, 10), evaluated(run, 20)
    assert ask_people(evaluation=first, n=5) == ask_people(evaluation=second, n=5) == 5
    prompts = [{sample.prompt_id for sample in asked_of(one)} for one in (first, second)]
    assert prompts[0] == prompts[1] and len(prompts[0]) == 5
    for evaluation in (first, second):
        for sample in asked_of(evaluation):
            texts = {sample.comparison.a.text, sample.comparison.b.text}
            assert texts == {sample.completion, sample.reference}
            assert sample.comparison.n_wanted == cast.project.min_ratings
            assert sample.completion_row.text == sample.completion
        evaluation.refresh_from_db()
        assert evaluation.n_comparisons == 5
    assert dict(CompletionSource.objects.filter(name__startswith="Policy run").values_list("name", "kind")) == {
        "Policy run 1 · step 10": "current_policy",
        "Policy run 1 · step 20": "current_policy",
        "Policy run 1 · reference": "sft",
    }
    assert Completion.objects.filter(source__name="Policy run 1 · reference").count() == 5, "each reference once"
    assert AuditEvent.objects.filter(action="policy_run.people_asked").count() == 2


def test_more_can_be_asked_by_hand_until_all_are(cast, started, evaluated):
    run = started()
    evaluation = evaluated(run, 10)
    evaluated(run, 0)
    client = cast.client(cast.researcher)
    assert client.get(URL).json()["can"]["ask_people"] is True
    address = f"{URL}/evaluations/10/comparisons"
    assert client.post(address, {"n": 4}, format="json").json() == {"n": 4, "n_asked": 4}
    before = {sample.pk for sample in asked_of(evaluation)}
    assert client.post(address, {"n": 400}, format="json").json() == {"n": N_HELD_OUT - 4, "n_asked": N_HELD_OUT}
    assert before < {sample.pk for sample in asked_of(evaluation)}
    for where in (address, f"{URL}/evaluations/0/comparisons"):
        answer = client.post(where, {"n": 1}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_ask")
    assert client.post(address, {"n": 0}, format="json").status_code == 400
    assert client.get(URL).json()["can"]["ask_people"] is False


def test_they_come_before_what_sampling_rounds_have_asked(cast, started, evaluated, promoted):
    made: SamplingRound = create_round(project=cast.project, model=promoted, options=SamplingOptions(budget=5))
    evaluation = evaluated(started(), 10)
    ask_people(evaluation=evaluation, n=3)
    priorities = set(Comparison.objects.values_list("priority", flat=True))
    assert len(priorities) == 1 and priorities.pop() > _priority(made.number, 0)


def test_the_labeller_is_given_them_first_and_does_not_learn_what_they_are(cast, comparisons, started, evaluated):
    comparisons(4)
    evaluation = evaluated(started(), 10)
    ask_people(evaluation=evaluation, n=2)
    found = cast.client(cast.labeller).post("/api/v1/projects/helpfulness/next", {"n": 2}, format="json")
    mine = {sample.prompt.messages[0]["content"] for sample in asked_of(evaluation)}
    assert {one["prompt"]["messages"][0]["content"] for one in found.json()["assignments"]} == mine
    assert "olicy" not in found.content.decode()


def test_what_nobody_has_to_be_asked_counts_by_itself(cast, started, evaluated):
    run = started()
    evaluation = evaluated(
        run,
        10,
        {
            0: {"completion": "The same.", "reference": "The  same.\n"},
            1: {"completion": " \n", "reference": "An answer."},
            2: {"completion": "An answer.", "reference": ""},
            3: {"completion": "", "reference": ""},
        },
    )
    assert ask_people(evaluation=evaluation, n=N_HELD_OUT) == N_HELD_OUT
    assert Comparison.objects.count() == N_HELD_OUT - 4
    rates = win_rates(run)[evaluation.pk]
    assert (rates.n_asked, rates.n, rates.wins, rates.losses, rates.ties) == (N_HELD_OUT, 4, 1, 1, 2)
    assert rates.rate == 0.5


def test_a_text_that_the_pool_has_stays_its_first_sources(cast, started, evaluated, held_out):
    source = CompletionSource.objects.create(pool=cast.project.pool, name="people", kind="human")
    there = Completion.objects.create(prompt=held_out[3], source=source, text="A lime, said before.", digest="0" * 64)
    from annotate.pool.digests import completion_digest

    Completion.objects.filter(pk=there.pk).update(digest=completion_digest(there.text))
    evaluation = evaluated(started(), 10, {3: {"reference": there.text}})
    ask_people(evaluation=evaluation, n=N_HELD_OUT)
    sample = evaluation.samples.get(prompt=held_out[3])
    assert sample.reference_row_id == there.pk
    there.refresh_from_db()
    assert there.source == source


def test_two_projects_of_one_pool_keep_their_runs_apart(cast, started, evaluated, promoted):
    run = started()
    ask_people(evaluation=evaluated(run, 10), n=2)
    other = create_project(owner=cast.owner, name="Safety", pool=cast.project.pool)
    theirs = PolicyRun.objects.create(
        project=other, number=1, options=run.options, start_model="x", reward_model=promoted
    )
    ask_people(evaluation=evaluated(theirs, 10, {place: {"completion": f"Ash {place}."} for place in range(14)}), n=2)
    names = set(CompletionSource.objects.filter(checkpoint=f"policy-run:{theirs.pk}").values_list("name", flat=True))
    assert names == {f"Policy run 1 · step 10 · {other.slug}", f"Policy run 1 · reference · {other.slug}"}


def test_an_evaluation_that_comes_again_keeps_what_people_are_asked(cast, started, evaluated, held_out):
    run = started()
    untouched, asked = evaluated(run, 10), evaluated(run, 20)
    ask_people(evaluation=asked, n=3)
    again = {0: {"completion": "Another text."}}
    assert evaluated(run, 10, again, kl=9.0) == untouched and evaluated(run, 20, again, kl=9.0) == asked
    untouched.refresh_from_db()
    asked.refresh_from_db()
    assert (untouched.metrics["kl"], asked.metrics["kl"]) == (9.0, 2.0)
    first = held_out[0]
    assert untouched.samples.get(prompt=first).completion == "Another text."
    assert asked.samples.get(prompt=first).completion != "Another text."
    assert untouched.samples.count() == asked.samples.count() == N_HELD_OUT


def test_a_prompt_that_is_gone_and_bytes_that_no_database_takes_do_no_harm(cast, started, held_out):
    from tests.training.policy_runs.conftest import metrics, rows

    run = started()
    found = rows(held_out, 10, {1: {"completion": "zero\x00byte"}})
    held_out[0].delete()
    evaluation = store_evaluation(run=run, metrics=metrics(10), rows=found)
    assert evaluation.samples.count() == N_HELD_OUT - 1
    assert evaluation.samples.get(prompt=held_out[1]).completion == "zerobyte"


# --- win rates -------------------------------------------------------------------------------------------------------
def test_ratings_become_a_win_rate_beside_what_the_model_claims(cast, started, evaluated):
    run = started()
    evaluation = evaluated(run, 10)
    ask_people(evaluation=evaluation, n=12)
    (before,) = win_rates(run).values()
    assert (before.n_asked, before.n, before.rate, before.low) == (12, 0, None, None)
    say_of(evaluation, n_wins=6, n_losses=2, n_ties=2)
    found = cast.client(cast.reviewer).get(f"{URL}/evaluations").json()["results"][0]["win_rate"]
    judged = asked_of(evaluation)[:10]
    claimed = sum(1 / (1 + exp(-sample.reward)) for sample in judged) / 10
    # Wilson's interval of 7 in 10, as any table has it.
    assert found == {
        "n_asked": 12, "n": 10, "wins": 6, "losses": 2, "ties": 2, "rate": 0.7,
        "low": pytest.approx(0.39678, abs=1e-4), "high": pytest.approx(0.89221, abs=1e-4),
        "claimed": pytest.approx(claimed),
    }  # fmt: skip


def test_a_comparison_has_one_vote_and_a_reviewer_the_last_word(cast, started, evaluated):
    run = started()
    evaluation = evaluated(run, 10)
    ask_people(evaluation=evaluation, n=5)
    split, torn, settled, void, reopened = asked_of(evaluation)
    say(split, "win", "win", "loss")
    say(torn, "win", "loss")
    for sample in (settled, void, reopened):
        say(sample, "win")
    loses = "b" if settled.comparison.a_id == settled.completion_row_id else "a"
    for sample, verdict, intensity in ((settled, loses, 2), (void, "invalid", None), (reopened, "tie", None)):
        settle(cast, sample, verdict, intensity)
    settle(cast, reopened, "reopened")
    rates = win_rates(run)[evaluation.pk]
    assert (rates.n, rates.wins, rates.losses, rates.ties) == (4, 2, 1, 1)
    shown = cast.client(cast.reviewer).get(f"{URL}/evaluations/10/samples", {"order": "prompt"}).json()["results"]
    said = {one["id"]: one["outcome"] for one in shown if one["is_asked"]}
    assert [said[one.pk] for one in (split, torn, settled, void, reopened)] == ["win", "tie", "loss", "", "win"]


def test_gaps_of_any_size_have_a_claim(cast, started, evaluated):
    run = started()
    evaluation = evaluated(run, 10, {place: {"reward": -5000.0 if place % 2 else 5000.0} for place in range(14)})
    ask_people(evaluation=evaluation, n=N_HELD_OUT)
    assert win_rates(run)[evaluation.pk].claimed == pytest.approx(0.5)


# --- what people decide ----------------------------------------------------------------------------------------------
def test_people_who_like_it_less_say_stop(cast, started, evaluated):
    run = started()
    evaluations = [evaluated(run, step) for step in (0, 10, 20)]
    for one in evaluations[1:]:
        ask_people(evaluation=one, n=14)
    assert judging.peoples_decision(run) is None
    say_of(evaluations[1], n_wins=13, n_losses=1)
    found = judging.peoples_decision(run)
    assert found is not None and (found.stop, found.best_step) == (False, 10)
    say_of(evaluations[2], n_wins=1, n_losses=13)
    found = judging.peoples_decision(run)
    assert found is not None
    assert (found.stop, found.reason, found.best_step) == (True, "people_fell", 10)
    assert "93%" in found.message and "7%" in found.message
    told = cast.client(cast.reviewer).get(URL).json()["report"]
    assert told["people"] == found.to_dict() and told["decision"] is None


def judged_of(prompts: list[Prompt], n_wins: int, n_losses: int, step: int) -> list[dict[str, Any]]:
    """Samples whose answers are evident: against an empty reference a win, an empty completion a loss, else a tie."""
    made = rows(prompts, step, {place: {"reward": step / 10} for place in range(len(prompts))})
    for place, row in enumerate(made):
        if place < n_wins:
            row["reference"] = ""
        elif place < n_wins + n_losses:
            row["completion"] = ""
        else:
            row["completion"] = row["reference"]
    return made


@pytest.mark.parametrize(("n", "parts"), [(99, False), (100, True)])
def test_a_model_that_claims_more_while_people_see_nothing_new_says_stop_once_enough_is_judged(cast, started, n, parts):
    run = started()
    prompts = prompts_of(cast.project, "held out", n, first=1000)
    for number, step in enumerate((10, 20, 30, 40)):
        said = judged_of(prompts, n_wins=64 if number == 0 else 50, n_losses=36 if number == 0 else 50, step=step)
        ask_people(evaluation=store_evaluation(run=run, metrics=metrics(step), rows=said), n=n)
        found = judging.peoples_decision(run)
        assert found is not None and found.stop == (number == 3 and parts)
    assert found.best_step == 10, "the best is marked with few ratings too"
    if parts:
        assert found.reason == "proxy_and_people_part"
        assert "claims 94% against the reference and before that 62%" in found.message
        assert "people say 50%, before that 57%" in found.message


def test_the_rule_of_a_run_is_its_own(cast, started):
    run = started(stop_patience=0, stop_margin=0.01)
    prompts = prompts_of(cast.project, "held out", 100, first=1000)
    for number, step in enumerate((10, 20, 30, 40)):
        said = judged_of(prompts, n_wins=64 if number == 0 else 50, n_losses=36 if number == 0 else 50, step=step)
        ask_people(evaluation=store_evaluation(run=run, metrics=metrics(step), rows=said), n=100)
    found = judging.peoples_decision(run)
    assert found is not None and (found.stop, found.best_step) == (False, 10)
    gold = [(10, 0.5), (20, 0.45), (30, 0.4)]
    for step, gain in gold:
        evaluation = run.evaluations.get(step=step)
        evaluation.metrics |= {"gold_gain": gain, "gold_gain_se": 1.0}
        evaluation.save()
    told = judging.report_of(run)["decision"]
    assert (told["stop"], told["reason"], told["best_step"]) == (True, "gold_fell", 10), "the margin is of gold"


def test_a_few_ratings_decide_nothing(cast, started, evaluated):
    run = started()
    evaluations = [evaluated(run, step) for step in (10, 20)]
    for one in evaluations:
        ask_people(evaluation=one, n=14)
        say_of(one, n_wins=9, n_losses=0)  # of one more the evaluation would count
    assert judging.peoples_decision(run) is None
    say(asked_of(evaluations[0])[9], "win")
    assert judging.peoples_decision(run) is not None


def test_the_report_fits_the_second_model_or_else_people(cast, started, evaluated):
    run = started()
    d = [0.5, 1.0, 2.0, 3.0, 4.0]
    evaluations = [evaluated(run, 10 * (n + 1), kl=one**2) for n, one in enumerate(d)]
    assert judging.report_of(run)["fit"] is None
    for one, n_wins in zip(evaluations, (9, 11, 12, 10, 6), strict=True):
        ask_people(evaluation=one, n=14)
        say_of(one, n_wins=n_wins, n_losses=14 - n_wins)
    by_people = judging.report_of(run)
    assert by_people["fit_of"] == "people" and 0.5 < by_people["fit"]["peak_d"] < 4
    for one, x in zip(evaluations, d, strict=True):
        gold = x * (1.0 - 0.5 * log(x))
        evaluated_metrics = {**one.metrics, "gold_gain": gold, "gold_gain_se": 0.05}
        PolicyEvaluation.objects.filter(pk=one.pk).update(metrics=evaluated_metrics)
    by_gold = judging.report_of(run)
    assert by_gold["fit_of"] == "gold"
    assert (by_gold["fit"]["alpha"], by_gold["fit"]["beta"]) == (pytest.approx(1.0), pytest.approx(0.5))
    assert by_gold["fit"]["peak_d"] == pytest.approx(exp(1.0))
    assert by_gold["decision"]["best_step"] == 40
    assert by_gold["latest"]["step"] == 50
