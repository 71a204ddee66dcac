"""What fooled the reward model: found, kept as adversarial completions, and answered by a refresh."""

import pytest

from annotate.comparisons.models import Comparison
from annotate.pool.models import Completion, CompletionSource
from annotate.projects.models import AuditEvent
from tests.training.policy_runs.conftest import N_HELD_OUT
from tests.training.policy_runs.test_people import asked_of, say, say_of
from training.policy_runs.adversarial import fooled
from training.policy_runs.people import ask_people, win_rates
from training.refresh.models import RefreshCycle

URL = "/api/v1/projects/helpfulness/policy-runs/1/adversarial"


@pytest.fixture
def by_gold(started, evaluated):
    """A run whose second judge likes the policy less on prompts 2, 9 and 11; only the upper half (7 to 13) counts."""
    run = started()
    worse = {"gold": -1.0, "reference_gold": 0.0}
    better = {"gold": 1.0, "reference_gold": 0.0}
    evaluated(run, 10, {place: worse if place in (2, 9, 11) else better for place in range(N_HELD_OUT)})
    return run


def prompts_kept(held_out) -> list[int]:
    """Places of the prompts that have an adversarial completion."""
    kept = set(Completion.objects.filter(source__kind="adversarial").values_list("prompt_id", flat=True))
    return [place for place, prompt in enumerate(held_out) if prompt.pk in kept]


def test_nothing_is_known_without_a_better_judge(cast, started, evaluated):
    evaluated(started(), 10)
    client = cast.client(cast.researcher)
    assert client.get(URL).json() == {"n": 0, "n_by_people": 0, "n_by_gold": 0, "n_kept": 0}
    answer = client.post(URL, {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_fooled")


def test_the_upper_half_counts_and_a_gain_there_has_to_be(started, evaluated, by_gold):
    assert {
        sample.prompt_id for sample in by_gold.evaluations.get().samples.filter(pk__in=fooled(by_gold).by_gold)
    } == {by_gold.evaluations.get().samples.order_by("pk")[place].prompt_id for place in (9, 11)}
    worse = {"reward": -1.0, "gold": -1.0, "reference_gold": 0.0}
    evaluated(by_gold, 20, dict.fromkeys(range(N_HELD_OUT), worse))
    assert len(fooled(by_gold).all) == 2, "what gained nothing has fooled nobody"
    evaluated(by_gold, 0, {13: {"gold": -1.0, "reference_gold": 0.0}})
    assert len(fooled(by_gold).all) == 2, "the start is no policy"


def test_people_go_before_a_model(cast, started, evaluated, held_out, by_gold):
    evaluation = by_gold.evaluations.get()
    ask_people(evaluation=evaluation, n=N_HELD_OUT)
    samples = {sample.prompt_id: sample for sample in asked_of(evaluation)}
    say(samples[held_out[9].pk], "win")  # the second model is wrong here
    say(samples[held_out[12].pk], "loss")  # and here
    say(samples[held_out[13].pk], "tie")
    say(samples[held_out[1].pk], "loss")  # of the lower half
    found = fooled(by_gold)
    assert found.by_people == {samples[held_out[12].pk].pk}
    assert found.by_gold == {samples[held_out[11].pk].pk}


def test_they_become_adversarial_completions_before_people(cast, held_out, by_gold):
    client = cast.client(cast.researcher)
    assert client.get("/api/v1/projects/helpfulness/policy-runs/1").json()["can"]["adversarial"] is True
    told = client.post(URL, {}, format="json")
    assert told.status_code == 201
    assert told.json() == {"n": 2, "n_by_people": 0, "n_by_gold": 2, "n_kept": 2, "n_new": 2, "refresh": None}
    assert prompts_kept(held_out) == [9, 11]
    source = CompletionSource.objects.get(kind="adversarial")
    assert source.name == "Policy run 1 · fooled the reward model"
    for comparison in Comparison.objects.select_related("a__source", "b__source"):
        assert {comparison.a.source.kind, comparison.b.source.kind} == {"adversarial", "sft"}
        assert comparison.priority > 0
    assert Comparison.objects.count() == 2
    assert AuditEvent.objects.filter(action="policy_run.adversarial_kept").count() == 1
    assert client.post(URL, {}, format="json").json()["n_new"] == 0
    assert (Comparison.objects.count(), prompts_kept(held_out)) == (2, [9, 11])
    assert AuditEvent.objects.filter(action="policy_run.adversarial_kept").count() == 1
    assert client.get("/api/v1/projects/helpfulness/policy-runs/1").json()["can"]["adversarial"] is False


def test_being_picked_for_it_says_nothing_of_how_often_the_policy_wins(cast, by_gold):
    cast.client(cast.researcher).post(URL, {}, format="json")
    assert win_rates(by_gold) == {}
    evaluation = by_gold.evaluations.get()
    ask_people(evaluation=evaluation, n=N_HELD_OUT)
    assert win_rates(by_gold)[evaluation.pk].n_asked == N_HELD_OUT == Comparison.objects.count()


def test_what_people_were_asked_about_changes_its_source(cast, started, evaluated, held_out):
    run = started()
    evaluation = evaluated(run, 10)
    ask_people(evaluation=evaluation, n=N_HELD_OUT)
    say_of(evaluation, n_wins=0, n_losses=N_HELD_OUT)
    n_completions = Completion.objects.count()
    told = cast.client(cast.researcher).post(URL, {}, format="json").json()
    assert (told["n_by_people"], told["n_new"], told["n_by_gold"]) == (7, 7, 0)
    assert prompts_kept(held_out) == list(range(7, 14))
    assert Completion.objects.count() == n_completions
    assert Comparison.objects.count() == N_HELD_OUT
    assert win_rates(run)[evaluation.pk].losses == N_HELD_OUT


def test_one_press_starts_a_refresh_with_what_the_policy_writes_now(cast, by_gold):
    told = cast.client(cast.researcher).post(URL, {"start_refresh": True}, format="json").json()
    cycle = RefreshCycle.objects.get()
    assert told["refresh"] == {"id": cycle.pk, "number": 1}
    assert (cycle.name, cycle.created_by, cycle.config["ask"]) == ("After Policy run 1", cast.researcher, True)
    assert cycle.config["candidates"]["mix"]


def test_while_a_refresh_runs_nothing_is_kept(cast, held_out, by_gold):
    client = cast.client(cast.researcher)
    assert client.post(URL, {"start_refresh": True}, format="json").status_code == 201
    RefreshCycle.objects.update(name="the first")
    by_gold.evaluations.get().samples.update(is_kept=False)
    Comparison.objects.all().delete()
    answer = client.post(URL, {"start_refresh": True}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "refresh_running")
    assert not Comparison.objects.exists() and not by_gold.evaluations.get().samples.filter(is_kept=True).exists()
